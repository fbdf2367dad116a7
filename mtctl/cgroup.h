/* SPDX-License-Identifier: BSD-2-Clause */
/* The control groups of a process, of either version, as /sys/fs/cgroup shows them. */
#ifndef MT_CTL_CGROUP_H
#define MT_CTL_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* Calls `each` with the directory of the group in which this controller ("pids", "freezer") has the process, then
   with those above it, until it returns false. */
void cgroup_each(pid_t pid, const char *controller, bool (*each)(void *context, const char *group), void *context);

/* Reads a file of a group, with a NUL behind it. False where there is none. */
bool cgroup_file(const char *group, const char *file, char *out, unsigned cap);

#endif
