/* SPDX-License-Identifier: BSD-2-Clause */
/* Prunes as the library does, but for names that may belong to an instance which is not to be asked: whether
   anybody listens takes asking. */
#include "prune.h"

#include <unistd.h>

#include "place.h"
#include "shun.h"

struct pruner {
	struct instances shunned;
	const char *dir;
	int dir_fd, removed;
};

static bool prune_name(void *context, const char *name, pid_t pid)
{
	struct pruner *p = context;

	if (!shun_of(&p->shunned, "", pid) && rundir_is_stale(p->dir, p->dir_fd, name, pid) &&
	    unlinkat(p->dir_fd, name, 0) == 0)
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

int prune_dirs(void)
{
	struct pruner p = { .removed = 0 };

	shun_find(&p.shunned, 0);
	place_each_dir(prune_dir, &p);
	find_free(&p.shunned);
	return p.removed;
}
