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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "names.h"

#define PREFIX "mtpreload."
#define SUFFIX ".sock"
#define STALE_AFTER_S 10

bool rundir_candidate(const struct rundir_env *env, int index, uid_t uid, struct rundir *dir)
{
	const char *base = NULL, *tail = "";
	int n = 0;

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
	case 4:
		n = snprintf(dir->path, RUNDIR_PATH_MAX, "/tmp/mtpreload-%u", (unsigned)uid);
		break;
	default:
		return false;
	}
	if (base && *base)
		n = snprintf(dir->path, RUNDIR_PATH_MAX, "%.*s%s",
			     index == 1 ? (int)strcspn(base, ":") : RUNDIR_PATH_MAX, base, tail);
	if (n >= RUNDIR_PATH_MAX)
		dir->path[0] = '\0';
	return true;
}

static bool is_ours(const struct stat *st, bool strict)
{
	if (strict)
		return st->st_uid == kernel_euid() && !(st->st_mode & 077);
	return st->st_uid == kernel_euid() || st->st_uid == 0;
}

int rundir_open(const struct rundir *dir)
{
	struct stat st;
	int fd, rc;

	if (dir->make && kernel_mkdir(dir->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = kernel_open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (kernel_fstat(fd, &st) < 0)
		rc = -errno;
	else if (!is_ours(&st, dir->strict))
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

int rundir_address(const char *dir, int dir_fd, const char *name, struct sockaddr_un *address)
{
	const size_t cap = sizeof(address->sun_path);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((size_t)snprintf(address->sun_path, cap, "%s/%s", dir, name) < cap)
		return 0;
	if ((size_t)snprintf(address->sun_path, cap, "/proc/thread-self/fd/%d/%s", dir_fd, name) <
	    cap)
		return 0;
	return -ENAMETOOLONG;
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

bool rundir_is_stale(const char *dir, int dir_fd, const char *name, pid_t pid)
{
	struct sockaddr_un address;
	struct stat st;
	bool refused;
	int fd;

	if (*name == '.' && (kernel_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			     st.st_ctime + STALE_AFTER_S > kernel_time()))
		return false;
	if (kernel_kill(pid, 0) == 0 || errno != ESRCH)
		return false;
	if (rundir_address(dir, dir_fd, name, &address) < 0)
		return false;
	fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = kernel_connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
		  errno == ECONNREFUSED;
	kernel_close(fd);
	return refused;
}

struct prune {
	const char *dir;
	int dir_fd;
	int removed;
};

static bool prune_one(void *context, const char *name, pid_t pid)
{
	struct prune *p = context;

	if (rundir_is_stale(p->dir, p->dir_fd, name, pid) && kernel_unlinkat(p->dir_fd, name, 0) == 0)
		p->removed++;
	return true;
}

int rundir_prune(const char *dir, int dir_fd)
{
	struct prune p = { .dir = dir, .dir_fd = dir_fd };

	rundir_each(dir_fd, prune_one, &p);
	return p.removed;
}
