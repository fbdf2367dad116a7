/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's thread runs in a process: can it be talked to, and is all well there? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access_why.h"
#include "ask.h"
#include "base/clock.h"
#include "bound.h"
#include "call.h"
#include "check.h"
#include "filter.h"
#include "inside.h"
#include "place.h"
#include "task.h"
#include "users.h"

#define ANSWER_NS (2 * NS_PER_S)
#define NAMES_SHOWN_MAX 4
#define BIND_TRIES 20
#define BIND_WAIT_NS (50 * NS_PER_MS)

static enum level filter(struct subject *s, struct buf *text)
{
	if (!filter_may_kill(s->proc.pid))
		return LEVEL_NONE;
	s->untouchable = true;
	buf_str(text, "a seccomp filter was put on all of its threads while it ran (TSYNC): one that kills can end it when "
		      "a client connects; so it was not asked anything");
	return LEVEL_NOTE;
}

static const struct instance *find(struct subject *s)
{
	const struct timespec wait = { .tv_nsec = (long)BIND_WAIT_NS };

	for (int i = 0; i < BIND_TRIES; i++) {
		find_free(&s->found);
		find_instances(&s->found, s->proc.pid);
		if (s->found.count)
			break;
		nanosleep(&wait, NULL); /* its name appears a moment after its start */
	}
	return s->found.count ? &s->found.at[0] : NULL;
}

static enum level has_socket(struct subject *s, struct buf *text)
{
	const struct instance *i = s->untouchable ? NULL : find(s);

	if (!i || i->trouble)
		return LEVEL_NONE;
	buf_str(text, i->socket);
	return LEVEL_OK;
}

/* Abstract names of its pid in its network. Processes of other pid namespaces may have some of them. */
static void add_bound(const struct subject *s, struct buf *names)
{
	struct buf list = { 0 };
	char *rest, *line, *name;
	unsigned count = 0;

	rest = proc_file(s->proc.pid, "net/unix", &list) == 0 ? list.data : NULL;
	while ((line = strsep(&rest, "\n"))) {
		name = strrchr(line, ' ');
		if (name && place_is_abstract(&s->proc, name + 1) && count++ < NAMES_SHOWN_MAX)
			buf_printf(names, "%s%s", count > 1 ? " or " : "", name + 1);
	}
	if (count > NAMES_SHOWN_MAX)
		buf_printf(names, " or one of %u more", count - NAMES_SHOWN_MAX);
	buf_free(&list);
}

/* In whichever network namespace it is. Which name is its own its descriptors tell, where they may be seen. */
static enum level other_network(struct subject *s, struct buf *text)
{
	char own[RUNDIR_NAME_MAX];
	struct buf names = { 0 };

	if (s->untouchable || s->found.count)
		return LEVEL_NONE;
	if (bound_abstract(s->proc.pid, s->thread, own, sizeof(own)))
		buf_str(&names, own);
	else if (bound_descriptors(s->proc.pid, s->thread) < 0)
		add_bound(s, &names);
	if (names.len)
		buf_printf(text, "its socket is %.*s, in another network namespace than ours, and no directory was usable",
			   (int)names.len, names.data);
	buf_free(&names);
	return text->len ? LEVEL_PROBLEM : LEVEL_NONE;
}

static enum level lost(struct subject *s, struct buf *text)
{
	char path[FIND_PATH_MAX];
	struct stat st;
	int rc;

	if (s->untouchable || s->found.count || !bound_path(s->proc.pid, s->thread, path, sizeof(path)))
		return LEVEL_NONE;
	rc = inside_stat(s->proc.pid, path, &st);
	if (rc == 0)
		return LEVEL_NONE;
	buf_printf(text, "its socket was %s, and that name is gone: %s", path, strerror(-rc));
	return LEVEL_PROBLEM;
}

static enum level abstract(struct subject *s, struct buf *text)
{
	struct buf why = { 0 }, usable = { 0 };

	if (!s->found.count || s->found.at[0].socket[0] != '@')
		return LEVEL_NONE;
	buf_str(text, "its socket has no file, since no directory was usable");
	place_explain(s, &why, &usable);
	if (why.len)
		buf_printf(text, ": %.*s", (int)why.len, why.data);
	/* What a Landlock domain or another user that it was then denies is not seen here. */
	if (usable.len)
		buf_printf(text, "%s%.*s looks usable", why.len ? "" : ": ", (int)usable.len, usable.data);
	buf_free(&why);
	buf_free(&usable);
	return LEVEL_NOTE;
}

static enum level unreachable(struct subject *s, struct buf *text)
{
	const struct instance *i = s->found.count ? &s->found.at[0] : NULL;

	if (!i || !i->trouble)
		return LEVEL_NONE;
	if (i->trouble == -ESRCH)
		buf_printf(text, "process %d listens on %s, which is its name", (int)i->peer, i->socket);
	else
		buf_printf(text, "%s: %s", i->socket, strerror(-i->trouble));
	return LEVEL_PROBLEM;
}

static enum level rights(struct subject *s, struct buf *text)
{
	if (access_why(s->proc.pid, s->status.data, text) == ACCESS_USER)
		return LEVEL_NONE;
	return geteuid() == 0 ? LEVEL_NOTE : LEVEL_PROBLEM;
}

/* Over a socket without a file the library cannot tell us from others who have no number there. */
static enum level nameless(struct subject *s, struct buf *text)
{
	uid_t number;

	if (!s->found.count || s->found.at[0].socket[0] != '@' || users_number(s->proc.pid, geteuid(), &number))
		return LEVEL_NONE;
	buf_printf(text, "it is in a user namespace in which uid %u has no number, and its socket has no file whose mode could "
			 "let that in",
		   (unsigned)geteuid());
	return LEVEL_PROBLEM;
}

static enum level other_users(struct subject *s, struct buf *text)
{
	uid_t number;

	if (!users_are_others(s->proc.pid))
		return LEVEL_NONE;
	if (!users_number(s->proc.pid, s->proc.uid, &number))
		return LEVEL_NONE;
	buf_printf(text, "it is in another user namespace, where uid %u is %u", (unsigned)s->proc.uid, (unsigned)number);
	return LEVEL_NOTE;
}

static enum level numberless(struct subject *s, struct buf *text)
{
	uid_t number;

	if (!users_are_others(s->proc.pid) || users_number(s->proc.pid, s->proc.uid, &number))
		return LEVEL_NONE;
	buf_printf(text, "it is in another user namespace, where uid %u has no number, so that it has no socket: nobody could "
		   "be told apart",
		   (unsigned)s->proc.uid);
	return LEVEL_PROBLEM;
}

static enum level ask(struct subject *s, struct buf *text)
{
	char message[512];
	struct buf request = { 0 };
	struct answer a;
	int rc;

	if (s->untouchable || !s->found.count)
		return LEVEL_NONE;
	call_simple(&request, "mt.info", 1);
	rc = link_open(&s->link, s->found.at[0].socket, &s->proc, (struct patience){ .total_ns = ANSWER_NS });
	s->link.line_max = ASK_LINE_MAX;
	if (rc == 0)
		rc = link_send(&s->link, request.data, request.len);
	if (rc == 0)
		rc = call_wait(&s->link, 1, &a);
	buf_free(&request);
	if (rc && rc != -EPROTO && rc != -EBADMSG) {
		s->silence = rc;
		return LEVEL_NONE; /* a cause of that is looked for first */
	}
	if (rc == 0 && !a.refused && json_kind(a.result) == 'o') {
		s->info = a.result;
		return LEVEL_NONE;
	}
	s->foreign = rc || !a.refused || json_text(a.message, message, sizeof(message)) < 0;
	if (s->foreign)
		return LEVEL_NONE;
	buf_printf(text, "it refuses to answer: %ld %s", a.code, message);
	return LEVEL_PROBLEM;
}

static enum level foreign(struct subject *s, struct buf *text)
{
	if (!s->foreign)
		return LEVEL_NONE;
	buf_str(text, "it does not answer: what listens is not the library");
	return LEVEL_PROBLEM;
}

static enum level no_thread(struct subject *s, struct buf *text)
{
	if (s->thread)
		return LEVEL_NONE;
	buf_printf(text, "%s: none could be started, or it has not come to that yet", subject_lack(s));
	return LEVEL_PROBLEM;
}

static enum level no_socket(struct subject *s, struct buf *text)
{
	struct buf usable = { 0 };

	if (!s->thread || s->found.count)
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	place_explain(s, text, &usable);
	if (usable.len)
		buf_printf(text, "%.*s could be used, and is tried every 5 s", (int)usable.len, usable.data);
	buf_free(&usable);
	return LEVEL_PROBLEM;
}

static enum level no_fixed_socket(struct subject *s, struct buf *text)
{
	return place_fixed(s) ? no_socket(s, text) : LEVEL_NONE;
}

static enum level silent(struct subject *s, struct buf *text)
{
	struct task ours;

	buf_printf(text, "%s: ", subject_lack(s));
	if (s->silence == -ETIMEDOUT)
		buf_str(text, "nothing came within 2 s");
	else
		buf_str(text, strerror(-s->silence));
	if (task_read(s->proc.pid, s->thread, &ours))
		buf_printf(text, "; its thread %s", ours.state == 'S' ? "sleeps" : "works");
	return LEVEL_PROBLEM;
}

/* A text of what it says of itself. */
static bool said(const struct subject *s, const char *key, char *out, size_t cap)
{
	return s->info.at && call_text(s->info, key, out, cap);
}

static enum level version(struct subject *s, struct buf *text)
{
	char theirs[64];

	if (!said(s, "version", theirs, sizeof(theirs)))
		return LEVEL_NONE;
	buf_printf(text, "version %s", theirs);
	if (strcmp(theirs, CTL_VERSION) == 0)
		return LEVEL_OK;
	buf_str(text, ", mtctl is " CTL_VERSION);
	return LEVEL_NOTE;
}

static enum level allocator(struct subject *s, struct buf *text)
{
	char name[256];
	uint64_t in_path;

	if (!said(s, "allocator", name, sizeof(name)) || !call_number(s->info, "in_path", &in_path))
		return LEVEL_NONE;
	buf_printf(text, "its allocator is %s", name);
	if (in_path)
		return LEVEL_OK;
	buf_str(text, ", to which its calls go straight: the library injects through that, and sees none of "
		      "them");
	return LEVEL_PROBLEM;
}

/* An environment has no more settings. */
#define COMPLAINTS_MAX 20

static enum level complaints(struct subject *s, struct buf *text)
{
	struct json_iter it = { 0 };
	struct json list, one;
	char complaint[512];
	unsigned count = 0;

	if (!s->info.at || !json_member(s->info, "environment", &list) || json_kind(list) != 'a')
		return LEVEL_NONE;
	while (count++ < COMPLAINTS_MAX && json_next(list, &it, NULL, &one))
		if (json_kind(one) == 's' && json_text(one, complaint, sizeof(complaint)) >= 0)
			buf_printf(text, "%s%s", text->len ? "; " : "", complaint);
	return text->len ? LEVEL_PROBLEM : LEVEL_NONE;
}

static enum level traced(struct subject *s, struct buf *text)
{
	long tracer = proc_field(s->status.data, "\nTracerPid:\t", false);
	struct proc p;

	if (tracer <= 0 || !proc_read((pid_t)tracer, &p))
		return LEVEL_NONE;
	buf_printf(text, "it is traced by %ld (%s): while that holds it nothing answers", tracer, p.name);
	return LEVEL_NOTE;
}

static enum level contained(struct subject *s, struct buf *text)
{
	if (s->proc.inner == s->proc.pid)
		return LEVEL_NONE;
	buf_printf(text, "it is in another pid namespace, where it is %d: sockets have that number, mtctl -p "
			 "takes %d",
		   (int)s->proc.inner, (int)s->proc.pid);
	return LEVEL_NOTE;
}

const struct check reach_checks[] = {
	{ "filter", filter, "mtctl -p PID mt.info asks it, at that risk", false, false },
	{ "socket", has_socket, "", false, false },
	{ "network", other_network, "nsenter -n -t PID mtctl -p PID …, or set MTPRELOAD_DIR to a directory "
				    "that it can write", true, false },
	{ "removed", lost, "it is bound again within 5 s where that can be done; leave the name alone", true, false },
	{ "abstract", abstract, "set MTPRELOAD_DIR to a directory that it can write, for clients of other "
				"network namespaces", false, false },
	{ "rights", rights, "run mtctl as root, or start it without them", false, false },
	{ "users", nameless, "run mtctl as its user, or set MTPRELOAD_DIR to a directory that it can write", true, false },
	{ "users", numberless, "give that uid a number there: unshare --map-root-user, newuidmap", true, false },
	{ "users", other_users, "", false, false },
	{ "reach", unreachable, "run mtctl as its user, or as root; or end who has its name", true, false },
	{ "namespace", contained, "", false, false },
	{ "traced", traced, "", false, false },
	{ "answer", ask, "end some of its clients, or ask it again later", true, false },
	{ "answer", foreign, "end what listens there, and start it again", true, false },
	{ 0 },
};

const struct check lack_checks[] = {
	{ "thread", no_thread, "see its limits of threads and memory (ulimit -u -v -l, pids.max)", true, false },
	{ "socket", no_fixed_socket, FIXED_REMEDY, true, false },
	{ "socket", no_socket, "set MTPRELOAD_DIR to a directory that it can write", true, false },
	{ "answer", silent, "mtctl -t SEC waits longer", true, false },
	{ 0 },
};

const struct check answer_checks[] = {
	{ "version", version, "start it again with the library of this mtctl", false, false },
	{ "allocator", allocator, "build it without an allocator of its own; mt.mem_* and tests work all the "
				  "same", false, false },
	{ "settings", complaints, "correct it in its environment, or set it by cfg.set_now_int", false, false },
	{ 0 },
};
