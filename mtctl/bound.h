/* SPDX-License-Identifier: BSD-2-Clause */
/* The name that a thread's listening socket was given, whether it is still there or not: the kernel's word, where an
   environment or a number in a name is only a claim. */
#ifndef MT_CTL_BOUND_H
#define MT_CTL_BOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/rundir.h"
#include "proc.h"

/* A path as the process itself has it; one that the library binds before it renames it is told as it is then. False
   where the thread has no socket with a path. */
bool bound_path(pid_t pid, pid_t thread, char *path, size_t cap);

/* The same for a name without a file, as "@mtpreload.PID". */
bool bound_abstract(pid_t pid, pid_t thread, char *name, size_t cap);

/* The directory in which it was bound, as the process itself sees that, and the name there. */
struct bound {
	bool unseen; /* its descriptors may not be seen, so that nothing below is known */
	dev_t dev;
	ino_t ino;
	char name[RUNDIR_PATH_MAX]; /* empty: it has no path */
};

void bound_find(const struct proc *p, pid_t thread, struct bound *b);

/* Is a name, in the directory that `dir` describes, the one that was bound? One with a pid is told by that: the number
   behind the pid may have been chosen later. */
bool bound_is(const struct bound *b, const struct stat *dir, const char *name);

/* How many descriptors the thread has in its table; -1 where that cannot be seen. */
long bound_descriptors(pid_t pid, pid_t thread);

#endif
