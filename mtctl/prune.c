/* SPDX-License-Identifier: BSD-2-Clause */
/* Prunes as the library does, but for names that may belong to an instance which is not to be asked: whether
   anybody listens takes asking. */
#include "prune.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "effort.h"
#include "place.h"
#include "shun.h"

struct pruner {
	const struct instances *shunned;
	const char *dir;
	int dir_fd, removed;
};

static bool prune_name(void *context, const char *name, pid_t pid)
{
	struct pruner *p = context;
	struct stat file;

	if (effort_is_over(p->dir))
		return false;
	if (fstatat(p->dir_fd, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !shun_of(p->shunned, p->dir_fd, name, &file) && rundir_remove_stale(p->dir, p->dir_fd, name, pid))
		p->removed++;
	return true;
}

static void prune_dir(void *context, const char *dir, int dir_fd)
{
	struct pruner *p = context;

	p->dir = dir;
	p->dir_fd = dir_fd;
	rundir_each(dir_fd, prune_name, p);
}

int prune_dirs(const struct instances *shunned)
{
	struct pruner p = { .shunned = shunned };

	place_each_dir(prune_dir, &p);
	return p.removed;
}

/* A container's directory is reached through /proc, and its names have pids that are unknown here. */
static bool is_seen_alike(const struct instance *i)
{
	return !i->trouble && *i->socket == '/' && strncmp(i->socket, "/proc/", 6) != 0 &&
	       i->proc.pid == i->proc.inner;
}

void prune_beside(const struct instances *live, const struct instances *shunned)
{
	char dir[FIND_PATH_MAX], last[FIND_PATH_MAX] = "";
	struct pruner p = { .shunned = shunned };
	int fd;

	for (size_t i = 0; i < live->count; i++) {
		if (!is_seen_alike(&live->at[i]))
			continue;
		snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(live->at[i].socket, '/') - live->at[i].socket),
			 live->at[i].socket);
		if (strcmp(dir, last) == 0) /* as a rule all of them have one */
			continue;
		strcpy(last, dir);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		prune_dir(&p, dir, fd);
		close(fd);
	}
}
