/* SPDX-License-Identifier: BSD-2-Clause */
/* Knows the places of sockets. A process may have other variables, another /tmp or another root
   than we do, so it is asked through /proc: its environment as it was at its start and, since some
   daemons write their title over that, the kernel's list of bound sockets. */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "effort.h"
#include "find.h"
#include "inside.h"
#include "users.h"

#define TMP "/tmp"
#define TMP_PREFIX (&RUNDIR_TMP[sizeof(TMP)]) /* behind "/tmp/" */

typedef void dir_visitor(void *context, const char *dir, int dir_fd);

/* Those of root's and our own come before those of others, each of which may take a part of the time only. */
enum pass { PASS_OURS, PASS_OTHERS, PASS_END };
#define DIR_PERCENT 75

static void visit(const struct rundir *dir, enum pass pass, dir_visitor *each, void *context)
{
	int fd = open(dir->path,
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC | (dir->strict ? O_NOFOLLOW : 0));
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (pass == PASS_OURS) == (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (!dir->strict || geteuid() == 0 || (st.st_uid == geteuid() && !(st.st_mode & 022)))) {
		effort_turn(pass == PASS_OURS ? 0 : effort_part(DIR_PERCENT));
		each(context, dir->path, fd);
		effort_turn(0);
	}
	close(fd);
}

/* Of all users, for root; else our own, which are those of our user namespaces too. */
static void visit_tmp(enum pass pass, dir_visitor *each, void *context)
{
	DIR *tmp = opendir(TMP);
	struct dirent *entry;

	if (!tmp)
		return;
	while ((entry = readdir(tmp)) && !effort_is_over(TMP)) {
		struct rundir dir = { .strict = true };

		if (strncmp(entry->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) != 0 ||
		    strlen(entry->d_name) > RUNDIR_PATH_MAX - 8)
			continue;
		snprintf(dir.path, sizeof(dir.path), TMP "/%.*s", RUNDIR_PATH_MAX - 8,
			 entry->d_name);
		visit(&dir, pass, each, context);
	}
	closedir(tmp);
}

void place_each_dir(dir_visitor *each, void *context)
{
	struct rundir_env env = { getenv("MTPRELOAD_DIR"), getenv("RUNTIME_DIRECTORY"),
				  getenv("XDG_RUNTIME_DIR") };
	struct rundir dir;

	for (enum pass pass = PASS_OURS; pass < PASS_END; pass++) {
		for (int i = 0; rundir_candidate(&env, i, geteuid(), &dir); i++)
			if (dir.path[0] && strncmp(dir.path, RUNDIR_TMP, strlen(RUNDIR_TMP)) != 0)
				visit(&dir, pass, each, context);
		visit_tmp(pass, each, context);
	}
}

struct search {
	const struct proc *p;
	bool (*each)(void *context, const char *path);
	void *context;
};

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Offers a path of the process's own, as we reach it: the plain path where that is the same. */
static bool offer(const struct search *s, const char *path)
{
	char through[FIND_PATH_MAX];
	int n = snprintf(through, sizeof(through), "/proc/%d/root%s", (int)s->p->pid, path);

	if (*path != '/' || n >= (int)sizeof(through))
		return false;
	/* That of a process whose first thread has ended cannot be gone through. */
	if (access(through, F_OK) < 0 && errno != EACCES)
		return s->each(s->context, path);
	return s->each(s->context, same_file(path, through) ? path : through);
}

/* $MTPRELOAD_SOCKET names the socket itself; a child's, or a second process's, has .PID behind. */
static bool offer_fixed(const struct search *s, const char *fixed)
{
	const char *percent = fixed ? strstr(fixed, "%p") : NULL;
	char path[FIND_PATH_MAX];

	if (!fixed || strlen(fixed) >= RUNDIR_PATH_MAX)
		return false;
	snprintf(path, sizeof(path), "%s.%d", fixed, (int)s->p->inner);
	if (percent)
		snprintf(path, sizeof(path), "%.*s%d%s", (int)(percent - fixed), fixed,
			 (int)s->p->inner, percent + 2);
	return offer(s, path) || (!percent && offer(s, fixed));
}

static bool offer_environment(const struct search *s, const struct buf *environment)
{
	struct rundir_env env = { proc_env(environment, "MTPRELOAD_DIR"),
				  proc_env(environment, "RUNTIME_DIRECTORY"),
				  proc_env(environment, "XDG_RUNTIME_DIR") };
	char name[RUNDIR_NAME_MAX], path[FIND_PATH_MAX];
	struct rundir dir;
	uid_t uid;

	users_number(s->p->pid, s->p->uid, &uid);
	if (offer_fixed(s, proc_env(environment, "MTPRELOAD_SOCKET")))
		return true;
	rundir_name(s->p->inner, 1, name);
	for (int i = 0; rundir_candidate(&env, i, uid, &dir); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir.path, name);
		if (dir.path[0] && offer(s, path))
			return true;
	}
	return false;
}

struct listing {
	const struct search *search;
	const char *dir;
	int length; /* of `dir` */
	bool found;
};

static bool offer_entry(void *context, const char *name, pid_t pid)
{
	struct listing *l = context;
	char path[FIND_PATH_MAX];

	if (effort_is_over("/proc"))
		return false;
	if (*name == '.' || pid != l->search->p->inner)
		return true;
	snprintf(path, sizeof(path), "%.*s/%s", l->length, l->dir, name);
	l->found = offer(l->search, path);
	return !l->found;
}

static int open_directory(pid_t pid, const char *path)
{
	int at = inside_find(pid, path, O_NOFOLLOW), fd;
	char again[64];

	if (at < 0)
		return at;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
	fd = open(again, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(at);
	return fd;
}

/* The kernel keeps the path that was bound, a name with a dot in front: the one that it got lies beside it. */
static bool offer_bound(const struct search *s, struct buf *list)
{
	char path[FIND_PATH_MAX], *rest = list->data, *line, *bound, *base;

	while ((line = strsep(&rest, "\n")) && !effort_is_over("/proc")) {
		struct listing l = { .search = s };
		int fd;

		bound = strchr(line, '/');
		if (!bound)
			continue;
		base = strrchr(bound, '/') + 1;
		if (*base != '.' || rundir_pid(base) != s->p->inner)
			continue;
		l.dir = bound;
		l.length = (int)(base - bound) - 1;
		snprintf(path, sizeof(path), "%.*s", l.length, bound);
		fd = open_directory(s->p->pid, path);
		if (fd < 0)
			continue;
		rundir_each(fd, offer_entry, &l);
		close(fd);
		if (l.found)
			return true;
	}
	return false;
}

bool place_is_abstract(const struct proc *p, const char *name)
{
	char again[RUNDIR_NAME_MAX];
	const char *dot;

	rundir_abstract(p->inner, 1, again);
	if (strcmp(name, again) == 0)
		return true;
	dot = strrchr(name, '.');
	if (!dot)
		return false;
	rundir_abstract(p->inner, (unsigned)strtoul(dot + 1, NULL, 10), again);
	return strcmp(name, again) == 0;
}

/* Who has which of them the server tells. */
static bool offer_abstract(const struct search *s, struct buf *list)
{
	char *rest = list->data, *line, *name;

	while ((line = strsep(&rest, "\n")) && !effort_is_over("/proc")) {
		name = strrchr(line, ' ');
		if (name && place_is_abstract(s->p, name + 1) && s->each(s->context, name + 1))
			return true;
	}
	return false;
}

bool place_each_socket(const struct proc *p, bool (*each)(void *context, const char *path),
		       void *context)
{
	struct search s = { p, each, context };
	char abstract[RUNDIR_NAME_MAX];
	struct buf file = { 0 };
	bool found = proc_file(p->pid, "environ", &file) == 0 && offer_environment(&s, &file);

	if (!found && proc_file(p->pid, "net/unix", &file) == 0)
		found = offer_bound(&s, &file);
	if (!found && proc_file(p->pid, "net/unix", &file) == 0)
		found = offer_abstract(&s, &file);
	buf_free(&file);
	rundir_abstract(p->inner, 1, abstract);
	return found || each(context, abstract);
}
