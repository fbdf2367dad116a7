/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds instances. A name in a directory proves nothing: it may have been left by a dead process,
   or somebody else may listen there; so each socket is asked who its server is. */
#include "find.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "effort.h"
#include "filter.h"
#include "place.h"
#include "shun.h"
#include "verify.h"

struct finder {
	struct instances *found, shunned;
	pid_t only;       /* 0: all */
	pid_t only_inner; /* its pid in names */
	struct proc p;    /* the process that is being looked into */
	struct buf scratch;
	bool all_shunned; /* else whoever is to be asked is looked at right before */
	const char *dir;
	int dir_fd;
};

bool find_is_usable(const struct instance *i, const void *unused)
{
	(void)unused;
	return !i->trouble;
}

bool find_is_refused(const struct instance *i, const void *unused)
{
	(void)unused;
	/* A process that has ended has no name, and its socket's is only not pruned yet. */
	return (i->trouble == -EACCES || i->trouble == -EPERM) && *i->proc.name;
}

bool find_is_shunned(const struct instance *i, const void *unused)
{
	(void)unused;
	return i->trouble == FIND_SHUNNED;
}

static struct instance *by_pid(struct instances *found, pid_t pid)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->at[i].proc.pid == pid)
			return &found->at[i];
	return NULL;
}

struct instance *find_append(struct instances *found)
{
	if (found->count == found->room) {
		size_t room = found->room ? 2 * found->room : 16;
		struct instance *grown = realloc(found->at, room * sizeof(*grown));

		if (!grown)
			return NULL;
		found->at = grown;
		found->room = room;
	}
	return &found->at[found->count++];
}

/* What is verified comes first, then what only could not be. */
static int worth(const struct instance *i)
{
	return i->trouble ? 0 : i->unsure ? 1 : 2;
}

static void add(struct instances *found, const struct instance *new)
{
	struct instance *old = by_pid(found, new->proc.pid);

	if (old && worth(old) >= worth(new))
		return;
	if (!old)
		old = find_append(found);
	if (old)
		*old = *new;
}

/* Is `peer` the process that calls itself `inner`? If so it is `*p`. */
static bool is_called(pid_t peer, pid_t inner, struct proc *p)
{
	return proc_read(peer, p) && (peer == inner || p->inner == inner);
}

/* Where nobody could be asked: could the name be that process's? */
static bool is_plausible(struct finder *f, const struct instance *i, const struct dialled *d)
{
	return verify_owner(d, &i->proc) &&
	       (i->trouble == -ESRCH || proc_has_library(i->proc.pid, &f->scratch) != 0);
}

/* Takes what dialling a name of `new->proc` has given. */
static void judge(struct instance *new, struct dialled *d, int rc)
{
	new->trouble = rc;
	new->peer = d->peer;
	if (rc == 0 && !verify_server(d, &new->proc))
		new->trouble = -ESRCH;
	new->unsure = rc == -EAGAIN; /* it is there */
	if (new->unsure)
		new->trouble = 0;
	if (d->fd >= 0)
		close(d->fd);
}

static void try_name(struct finder *f, const char *name, const char *path, pid_t number)
{
	struct instance new = { .peer = 0 }, *shunned;
	struct dialled d;
	int rc = shun_dial_at(&f->shunned, f->dir_fd, name, &d, &shunned);

	if (shunned && !*shunned->socket)
		strcpy(shunned->socket, path); /* of another user's, who has not told us */
	if (shunned)
		return;
	snprintf(new.socket, sizeof(new.socket), "%s", path);
	if (rc == -ENOTSOCK || rc == -ELOOP)
		return;
	if (rc < 0 || !is_called(d.peer, number, &new.proc))
		proc_read(f->only ? f->only : number, &new.proc);
	judge(&new, &d, rc);
	if ((new.trouble || new.unsure) && !is_plausible(f, &new, &d))
		return;
	if (new.proc.pid != getpid() && (!f->only || new.proc.pid == f->only))
		add(f->found, &new);
}

static bool is_known_harmless(pid_t pid)
{
	return (kill(pid, 0) == 0 || errno == EPERM) && !filter_may_kill(pid);
}

static bool try_entry(void *context, const char *name, pid_t pid)
{
	struct finder *f = context;
	char path[FIND_PATH_MAX];

	if (effort_is_over(f->dir))
		return false;
	if (*name == '.' || (f->only && pid != f->only_inner && pid != f->only))
		return true;
	/* Where not everybody was looked at, at least the one that the name tells is. */
	if (!f->all_shunned && pid != f->only && !is_known_harmless(pid))
		return true;
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	try_name(f, name, path, pid);
	return true;
}

static void search_dir(void *context, const char *dir, int dir_fd)
{
	struct finder *f = context;

	f->dir = dir;
	f->dir_fd = dir_fd;
	rundir_each(dir_fd, try_entry, f);
}

/* A second process with the same MTPRELOAD_SOCKET would lead to one that is not to be asked. */
static int dial_place(const struct finder *f, const char *path, struct dialled *d)
{
	const char *slash = strrchr(path, '/');
	char dir[FIND_PATH_MAX];
	struct instance *shunned;
	int dir_fd, rc;

	if (*path == '@' || !slash)
		return verify_dial(path, d);
	*d = (struct dialled)DIALLED_NONE;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	rc = shun_dial_at(&f->shunned, dir_fd, slash + 1, d, &shunned);
	close(dir_fd);
	return rc;
}

static bool try_place(void *context, const char *path)
{
	struct finder *f = context;
	struct instance new = { .proc = f->p };
	struct dialled d;
	int rc;

	snprintf(new.socket, sizeof(new.socket), "%s", path);
	rc = dial_place(f, path, &d);
	if (rc == FIND_SHUNNED)
		return false;
	judge(&new, &d, rc);
	if (new.trouble == -ESRCH || rc == -ENOENT || rc == -ENOTDIR || rc == -ENOTSOCK || rc == -ELOOP ||
	    !verify_owner(&d, &new.proc))
		return false;
	/* An abstract name that nobody has refuses, where a path would not exist. */
	if (*path == '@' && rc == -ECONNREFUSED)
		return false;
	add(f->found, &new);
	return worth(&new) > 1;
}

static void search_process(void *context, pid_t pid)
{
	struct finder *f = context;
	struct instance *known = by_pid(f->found, pid);

	if ((known && worth(known) > 1) || pid == getpid() || by_pid(&f->shunned, pid) ||
	    (!f->all_shunned && pid != f->only && filter_may_kill(pid)))
		return;
	if (proc_has_library(pid, &f->scratch) == 1 && proc_read(pid, &f->p))
		place_each_socket(&f->p, try_place, f);
}

static int by_number(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	return (x->proc.pid > y->proc.pid) - (x->proc.pid < y->proc.pid);
}

/* Whoever asks for one process is not shown others. */
static void add_shunned(struct finder *f)
{
	for (size_t i = 0; !f->only && i < f->shunned.count; i++)
		add(f->found, &f->shunned.at[i]);
	find_free(&f->shunned);
}

void find_instances(struct instances *found, pid_t pid)
{
	struct finder f = { .found = found, .only = pid };

	if (pid) {
		proc_read(pid, &f.p);
		f.only_inner = f.p.inner;
	}
	effort_begin(EFFORT_SHUN_NS);
	f.all_shunned = shun_find(&f.shunned, pid);
	effort_begin(EFFORT_NAMES_NS);
	place_each_dir(search_dir, &f);
	effort_begin(EFFORT_PROCESSES_NS);
	if (pid)
		search_process(&f, pid);
	else
		found->unfinished = proc_each(search_process, &f) > 0;
	effort_end();
	add_shunned(&f);
	buf_free(&f.scratch);
	if (found->count)
		qsort(found->at, found->count, sizeof(*found->at), by_number);
}

void find_socket(struct instances *found, const char *path)
{
	struct instance *i = find_append(found);
	struct dialled d = DIALLED_NONE;

	if (!i)
		return;
	*i = (struct instance){ .given = true, .trouble = -ENAMETOOLONG };
	snprintf(i->socket, sizeof(i->socket), "%s", path);
	if (strlen(path) < sizeof(i->socket))
		i->trouble = verify_dial_given(path, &d);
	i->peer = d.peer;
	if (i->trouble == -EAGAIN)
		i->trouble = 0;
	if (d.fd >= 0)
		close(d.fd);
	if (!i->peer || !proc_read(i->peer, &i->proc))
		i->proc = (struct proc){ .name = "unknown" };
}

void find_keep(struct instances *found, bool (*keep)(const struct instance *i, const void *what),
	       const void *what)
{
	size_t kept = 0;

	for (size_t i = 0; i < found->count; i++)
		if (keep(&found->at[i], what))
			found->at[kept++] = found->at[i];
	found->count = kept;
}

void find_free(struct instances *found)
{
	free(found->at);
	*found = (struct instances){ 0 };
}
