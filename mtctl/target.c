/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses targets, and says what to do where that is not possible. */
#include "target.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_why.h"
#include "base/clock.h"
#include "base/nearest.h"
#include "link.h"
#include "out.h"
#include "role.h"

#define LISTED_MAX 20

static int foreign_error(const struct instance *i, pid_t peer)
{
	char who[64] = "a process outside of our pid namespace";

	if (peer)
		snprintf(who, sizeof(who), "process %d", (int)peer);
	return out_error(CTL_UNREACHABLE,
			 "a foreign socket: %s listens on %s, not the process that its name says (-s "
			 "SOCKET takes it all the same)",
			 who, i->socket);
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

/* A refusal, by the kernel or by the process: only root may command some processes. */
static int refused_error(const struct instance *i, int rc, const char *who)
{
	struct buf why = { 0 };
	enum access who_may = geteuid() ? access_why_process(i->proc.pid, &why) : ACCESS_USER;

	if (who_may != ACCESS_USER)
		out_error(CTL_UNREACHABLE, "%s does not accept uid %u: %.*s", who, (unsigned)geteuid(), (int)why.len,
			  why.data);
	else if (rc == -ECONNRESET)
		out_error(CTL_UNREACHABLE, "%s closed the connection: it has ended, is in a call of unshare or the like (ask again), or "
			  "does not accept uid %u",
			  who, (unsigned)geteuid());
	else
		out_error(CTL_UNREACHABLE, "no permission for %s (run mtctl as the user of the process, or as root)",
			  i->socket);
	buf_free(&why);
	return CTL_UNREACHABLE;
}

int target_error(const struct instance *i, int rc, pid_t peer, const struct options *o)
{
	const struct patience *patience = &o->patience;
	char who[PROC_NAME_MAX + 32];

	snprintf(who, sizeof(who), "process %d (%s)", (int)i->proc.pid, i->proc.name);
	if (!i->proc.pid)
		snprintf(who, sizeof(who), "the process");
	switch (-rc) {
	case ETIMEDOUT:
		return out_error(CTL_TIMEOUT,
				 "%s did not answer within %g s (is it stopped? -t SEC waits longer)",
				 who, seconds(patience->idle_ns ? patience->idle_ns : patience->total_ns));
	case ETIME:
		return out_error(CTL_TIMEOUT, "%s had not done it within %g s (-t SEC waits longer, -t 0 for ever)",
				 who, seconds(patience->total_ns));
	case EMSGSIZE:
		return out_error(CTL_UNREACHABLE, "%s sent a line of more than %zu MiB, which was not read", who,
				 LINK_LINE_MAX >> 20);
	case ESRCH:
		return foreign_error(i, peer);
	case ECONNRESET:
	case EACCES:
	case EPERM:
		return refused_error(i, rc, who);
	case ECONNREFUSED:
	case ENOTSOCK:
		return out_error(CTL_UNREACHABLE,
				 "nobody listens on %s: its process has ended, or it is no socket (mtctl "
				 "ls shows the live ones)",
				 i->socket);
	case -FIND_SHUNNED:
		return out_error(CTL_UNREACHABLE,
				 "%s has a seccomp filter that may end it as soon as a client connects, so it "
				 "was not asked (-p %d asks it, at that risk)",
				 who, (int)i->proc.pid);
	case EPROTO:
		return out_error(CTL_UNREACHABLE, "what listens on %s does not speak JSON-RPC",
				 i->socket);
	case EBADMSG:
		return out_error(CTL_UNREACHABLE, "what listens on %s answered another request than ours: its id differs",
				 i->socket);
	default:
		return out_error(CTL_UNREACHABLE, "cannot connect to %s: %s", i->socket,
				 strerror(-rc));
	}
}

/* Another user's instances count: whoever names one is told so, and it is somebody's parent or sibling. */
static bool is_there(const struct instance *i, const void *unused)
{
	return find_is_usable(i, unused) || find_is_refused(i, unused) || find_is_shunned(i, unused);
}

/* Those that are not asked count: to take the only other one would be a guess. */
static bool is_candidate(const struct instance *i, const void *unused)
{
	return find_is_usable(i, unused) || find_is_shunned(i, unused);
}

/* "12 sleep, 40 python3 (filter)", the first ones of many. */
static void list(struct buf *b, const struct instances *found)
{
	for (size_t i = 0; i < found->count && i < LISTED_MAX; i++)
		buf_printf(b, "%s%d %s%s", i ? ", " : "", (int)found->at[i].proc.pid,
			   found->at[i].proc.name, find_is_shunned(&found->at[i], NULL) ? " (filter)" : "");
	if (found->count > LISTED_MAX)
		buf_printf(b, " and %zu more (mtctl ls)", found->count - LISTED_MAX);
	buf_add(b, "", 1);
}

static int refuse_several(const struct instances *found, const char *name)
{
	struct buf names = { 0 };

	list(&names, found);
	if (name)
		out_error(CTL_UNREACHABLE,
			  "%zu instances are called %s: %s (choose with -p PID, or --all for each)",
			  found->count, name, names.data);
	else
		out_error(CTL_UNREACHABLE,
			  "%zu instances are running: %s (choose with -p PID or -n NAME, or --all "
			  "for each)",
			  found->count, names.data);
	buf_free(&names);
	return CTL_UNREACHABLE;
}

/* The most telling trouble is told: another user's instance, or a name that somebody else holds. */
static int refuse_none(const struct instances *found, const struct options *o)
{
	static const int telling[] = { -ESRCH, -EACCES };

	for (size_t t = 0; t < sizeof(telling) / sizeof(telling[0]); t++)
		for (size_t i = 0; i < found->count; i++)
			if (found->at[i].trouble == telling[t])
				return target_error(&found->at[i], telling[t], found->at[i].peer, o);
	return out_error(CTL_UNREACHABLE,
			 "no instance is running (start one: mtctl run -- PROGRAM [ARG]...)");
}

static int refuse_name(const struct instances *there, const char *name)
{
	struct nearest n = { .word = name };

	for (size_t i = 0; i < there->count; i++) {
		nearest_offer(&n, there->at[i].proc.name);
		nearest_offer(&n, there->at[i].proc.program);
	}
	if (n.best)
		return out_error(CTL_UNREACHABLE, "no instance is called %s, did you mean %s?", name,
				 n.best);
	return out_error(CTL_UNREACHABLE, "no instance is called %s (mtctl ls shows all)", name);
}

static int choose_pid(const struct options *o, struct instances *chosen)
{
	struct buf scratch = { 0 };
	struct proc p;
	int has;

	find_instances(chosen, o->pid);
	if (chosen->count)
		return chosen->at[0].trouble ?
			       target_error(&chosen->at[0], chosen->at[0].trouble,
					    chosen->at[0].peer, o) :
			       CTL_DONE;
	if (!proc_read(o->pid, &p))
		return out_error(CTL_UNREACHABLE, "there is no process %d", (int)o->pid);
	has = proc_has_library(o->pid, &scratch);
	buf_free(&scratch);
	if (has == 1)
		return out_error(CTL_UNREACHABLE,
				 "process %d (%s) has the library but no socket (it appears 50 ms after "
				 "the start, where a directory for it can be written)",
				 (int)o->pid, p.name);
	if (has == 0)
		return out_error(CTL_UNREACHABLE,
				 "process %d (%s) runs without the library (start it with mtctl run -- "
				 "PROGRAM)",
				 (int)o->pid, p.name);
	return out_error(CTL_UNREACHABLE,
			 "no socket of process %d (%s) was found, and uid %u may not look into it (run "
			 "mtctl as its user, or as root)",
			 (int)o->pid, p.name, (unsigned)geteuid());
}

static int choose_socket(const struct options *o, struct instances *chosen)
{
	find_socket(chosen, o->socket);
	if (chosen->count && chosen->at[0].trouble)
		return target_error(&chosen->at[0], chosen->at[0].trouble, 0, o);
	return chosen->count ? CTL_DONE : out_error(CTL_UNREACHABLE, "memory ran out");
}

static bool is_called(const struct instance *i, const void *name)
{
	return strcmp(i->proc.name, name) == 0 || strcmp(i->proc.program, name) == 0;
}

static bool is_like(const struct instance *i, const void *pattern)
{
	return fnmatch(pattern, i->proc.name, 0) == 0 || fnmatch(pattern, i->proc.program, 0) == 0;
}

static bool any(const struct instances *found,
		bool (*fits)(const struct instance *i, const void *what), const void *what)
{
	for (size_t i = 0; i < found->count; i++)
		if (fits(&found->at[i], what))
			return true;
	return false;
}

/* A name that cannot be shown as it was given is no pattern: what stands for its hidden characters is a '?'. */
static int keep_name(const char *name, bool is_pattern, struct instances *chosen)
{
	if (any(chosen, is_called, name))
		find_keep(chosen, is_called, name);
	else if (is_pattern && any(chosen, is_like, name))
		find_keep(chosen, is_like, name);
	else
		return refuse_name(chosen, name);
	return CTL_DONE;
}

static int choose_role(const char *name, bool is_pattern, bool each, struct instances *chosen)
{
	struct role role;
	int status = role_read(name, &role);

	if (status == CTL_DONE && *role.name)
		status = keep_name(role.name, is_pattern, chosen);
	return status == CTL_DONE ? role_keep(&role, each, chosen) : status;
}

static int choose_name(const struct options *o, bool each, struct instances *chosen)
{
	char *name = strdup(o->name);
	bool is_pattern;
	int status;

	if (!name)
		return out_error(CTL_UNREACHABLE, "memory ran out");
	proc_clean(name); /* as names are kept here */
	is_pattern = strcmp(name, o->name) == 0;
	find_instances(chosen, 0);
	find_keep(chosen, is_there, NULL);
	/* A program may have a colon in its name. */
	if (!strchr(name, ':') || any(chosen, is_called, name))
		status = keep_name(name, is_pattern, chosen);
	else
		status = choose_role(name, is_pattern, each, chosen);
	free(name);
	return status;
}

static int choose(const struct options *o, bool each, struct instances *chosen)
{
	if (o->pid)
		return choose_pid(o, chosen);
	if (o->socket)
		return choose_socket(o, chosen);
	if (o->name)
		return choose_name(o, each, chosen);
	find_instances(chosen, 0);
	return CTL_DONE;
}

int target_list(const struct options *o, struct instances *chosen)
{
	int status = choose(o, true, chosen);

	if (!o->pid && !o->socket)
		find_keep(chosen, is_there, NULL);
	return status;
}

int target_choose(const struct options *o, struct instances *chosen)
{
	int status = choose(o, o->all, chosen);

	if (status != CTL_DONE)
		return status;
	if (chosen->unfinished && !o->all)
		return out_error(CTL_UNREACHABLE,
				 "there are too many processes to look at each of them, and the others may be meant too (choose "
				 "with -p PID)");
	if (chosen->unfinished)
		out_note("there are too many processes to look at each of them: some may have been left out");
	if (!any(chosen, is_candidate, NULL))
		return refuse_none(chosen, o);
	find_keep(chosen, is_candidate, NULL);
	if (chosen->count > 1 && !o->all)
		return refuse_several(chosen, o->name);
	return CTL_DONE;
}
