/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's directory. */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "names.h"
#include "uid.h"

#define PREFIX "mtpreload."
#define SUFFIX ".sock"
#define STALE_AFTER_S 10
#define TMP_FIRST 4
#define TMP_LAST 12 /* /tmp/mtpreload-UID.9 */

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1u
#endif

bool rundir_candidate(const struct rundir_env *env, int index, uid_t uid, struct rundir *dir)
{
	const char *base = NULL, *tail = "";
	int n = 0;

	if (index > TMP_LAST)
		return false;
	*dir = (struct rundir){ .make = index == 0 || index >= 3, .strict = index >= 3 };
	switch (index) {
	case 0:
		base = env->mtpreload_dir;
		break;
	case 1:
		base = env->runtime_directory;
		break;
	case 2:
		base = "/run/mtpreload";
		break;
	case 3:
		base = env->xdg_runtime_dir;
		tail = "/mtpreload";
		break;
	case TMP_FIRST:
		n = snprintf(dir->path, RUNDIR_PATH_MAX, RUNDIR_TMP "%u", (unsigned)uid);
		break;
	default:
		n = snprintf(dir->path, RUNDIR_PATH_MAX, RUNDIR_TMP "%u.%d", (unsigned)uid, index - TMP_FIRST + 1);
		break;
	}
	if (base && *base)
		n = snprintf(dir->path, RUNDIR_PATH_MAX, "%.*s%s",
			     index == 1 ? (int)strcspn(base, ":") : RUNDIR_PATH_MAX, base, tail);
	if (n >= RUNDIR_PATH_MAX)
		dir->path[0] = '\0';
	return true;
}

/* In a directory that has the sticky bit others cannot remove a name or put another in its place. */
static bool is_root_s(const struct stat *st)
{
	return st->st_uid == 0 && (!(st->st_mode & 022) || (st->st_mode & S_ISVTX));
}

static bool is_fit(const struct rundir *dir, const struct stat *st)
{
	if (dir->of_root)
		return is_root_s(st);
	if (dir->strict)
		return uid_is_ours(st->st_uid) && !(st->st_mode & 077);
	return st->st_uid == 0 || uid_is_ours(st->st_uid);
}

int rundir_open(const struct rundir *dir)
{
	struct stat st = { 0 };
	int fd, rc;

	if (dir->make && (!dir->of_root || kernel_euid() == 0) && kernel_mkdir(dir->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = kernel_open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (kernel_fstat(fd, &st) < 0)
		rc = -errno;
	else if (!is_fit(dir, &st))
		rc = -EPERM;
	else
		return fd;
	kernel_close(fd);
	return rc;
}

void rundir_name(pid_t pid, unsigned nth, char name[RUNDIR_NAME_MAX])
{
	if (nth > 1)
		snprintf(name, RUNDIR_NAME_MAX, PREFIX "%d.%u" SUFFIX, (int)pid, nth);
	else
		snprintf(name, RUNDIR_NAME_MAX, PREFIX "%d" SUFFIX, (int)pid);
}

void rundir_abstract(pid_t pid, unsigned nth, char name[RUNDIR_NAME_MAX])
{
	if (nth > 1)
		snprintf(name, RUNDIR_NAME_MAX, "@" PREFIX "%d.%u", (int)pid, nth);
	else
		snprintf(name, RUNDIR_NAME_MAX, "@" PREFIX "%d", (int)pid);
}

pid_t rundir_pid(const char *name)
{
	char again[RUNDIR_NAME_MAX], *end;
	unsigned long nth = 1;
	long pid;

	if (*name == '.')
		name++;
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	pid = strtol(name + strlen(PREFIX), &end, 10);
	if (*end == '.' && end[1] >= '0' && end[1] <= '9')
		nth = strtoul(end + 1, NULL, 10);
	if (pid <= 0 || pid > INT32_MAX || nth > UINT32_MAX)
		return 0;
	rundir_name((pid_t)pid, (unsigned)nth, again);
	return strcmp(name, again) == 0 ? (pid_t)pid : 0;
}

static bool address_by_path(const char *dir, const char *name, struct sockaddr_un *address)
{
	const size_t cap = sizeof(address->sun_path);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (size_t)snprintf(address->sun_path, cap, "%s/%s", dir, name) < cap;
}

static bool address_in(int dir_fd, const char *name, struct sockaddr_un *address)
{
	const size_t cap = sizeof(address->sun_path);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (size_t)snprintf(address->sun_path, cap, "/proc/thread-self/fd/%d/%s", dir_fd, name) < cap;
}

int rundir_address(const char *dir, int dir_fd, const char *name, struct sockaddr_un *address)
{
	return address_by_path(dir, name, address) || address_in(dir_fd, name, address) ? 0 : -ENAMETOOLONG;
}

struct visit {
	bool (*each)(void *context, const char *name, pid_t pid);
	void *context;
};

static bool visit_socket(void *context, const char *name)
{
	const struct visit *v = context;
	pid_t pid = rundir_pid(name);

	return !pid || v->each(v->context, name, pid);
}

void rundir_each(int dir_fd, bool (*each)(void *context, const char *name, pid_t pid),
		 void *context)
{
	struct visit v = { each, context };

	names_each(dir_fd, visit_socket, &v);
}

int rundir_move(int dir_fd, const char *from, const char *to)
{
	if (kernel_renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	/* The kernel or the file system knows no such rename. A link does not replace either. */
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (kernel_linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -errno;
	kernel_unlinkat(dir_fd, from, 0);
	return 0;
}

/* 0 where somebody listens, or -errno. */
static int dial(const struct sockaddr_un *address)
{
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	rc = kernel_connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	kernel_close(fd);
	return rc;
}

/* What was seen, whatever has its name or its directory's path by now. The path is for a root without /proc. */
static bool refuses(const char *dir, int seen, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc;

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/thread-self/fd/%d", seen);
	rc = dial(&address);
	if (rc == -ENOENT && address_by_path(dir, name, &address))
		rc = dial(&address);
	return rc == -ECONNREFUSED;
}

static bool look_at(int dir_fd, const char *name, struct stat *st)
{
	return kernel_fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The file that has the name now, which may be a link to anywhere: that is not followed. */
static bool is_dead(const char *dir, int dir_fd, const char *name, int seen)
{
	struct stat file = { 0 }, now = { 0 };

	return kernel_fstat(seen, &file) == 0 && S_ISSOCK(file.st_mode) && refuses(dir, seen, name) &&
	       look_at(dir_fd, name, &now) && now.st_dev == file.st_dev && now.st_ino == file.st_ino;
}

/* Whoever removes names holds the directory's lock. One that has found a dead socket's name would else remove what
   another has put in its place meanwhile. A name that stays for that is in nobody's way. */
bool rundir_remove_dead(const char *dir, int dir_fd, const char *name)
{
	bool removed;
	int seen;

	if (kernel_flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	seen = kernel_openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (seen < 0) {
		removed = errno == ENOENT;
	} else {
		removed = is_dead(dir, dir_fd, name, seen) && kernel_unlinkat(dir_fd, name, 0) == 0;
		kernel_close(seen);
	}
	kernel_flock(dir_fd, LOCK_UN); /* a child that was forked meanwhile has the descriptor too */
	return removed;
}

bool rundir_remove_stale(const char *dir, int dir_fd, const char *name, pid_t pid)
{
	struct stat st;

	if (*name == '.' && (!look_at(dir_fd, name, &st) || st.st_ctime + STALE_AFTER_S > kernel_time()))
		return false;
	if (*name != '.' && (kernel_kill(pid, 0) == 0 || errno != ESRCH))
		return false;
	return rundir_remove_dead(dir, dir_fd, name);
}

struct prune {
	const char *dir;
	int dir_fd;
	int looked_at, removed;
};

static bool prune_one(void *context, const char *name, pid_t pid)
{
	struct prune *p = context;

	if (rundir_remove_stale(p->dir, p->dir_fd, name, pid))
		p->removed++;
	return ++p->looked_at < RUNDIR_PRUNED_MAX;
}

int rundir_prune(const char *dir, int dir_fd)
{
	struct prune p = { .dir = dir, .dir_fd = dir_fd };

	rundir_each(dir_fd, prune_one, &p);
	return p.removed;
}
