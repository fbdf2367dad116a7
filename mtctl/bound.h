/* SPDX-License-Identifier: BSD-2-Clause */
/* The name that a thread's listening socket was given, whether it is still there or not. */
#ifndef MT_CTL_BOUND_H
#define MT_CTL_BOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A path as the process itself has it; one that the library binds before it renames it is told as it is then. False
   where the thread has no socket with a path. */
bool bound_path(pid_t pid, pid_t thread, char *path, size_t cap);

/* How many descriptors the thread has in its table; -1 where that cannot be seen. */
long bound_descriptors(pid_t pid, pid_t thread);

#endif
