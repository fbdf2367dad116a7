/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a socket may lie: the directories that we search, and what a process itself says. */
#ifndef MT_CTL_PLACE_H
#define MT_CTL_PLACE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/rundir.h"
#include "proc.h"

/* Calls `each` with every directory that exists: those of our own environment, and for root those
   of all users in /tmp. A directory in /tmp that others could have made is left out. Here and
   below a search that takes too long is left (effort.h). */
void place_each_dir(void (*each)(void *context, const char *dir, int dir_fd), void *context);

/* Calls `each` with every path at which the process's socket may be, as we reach it, until it
   returns true. The last ones are abstract names. */
bool place_each_socket(const struct proc *p, bool (*each)(void *context, const char *path),
		       void *context);

/* Is it an abstract name that the library takes where no directory is usable (rundir.h)? Its pid is the one that the
   process itself knows. */
bool place_is_abstract(const struct proc *p, const char *name);

#endif
