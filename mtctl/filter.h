/* SPDX-License-Identifier: BSD-2-Clause */
/* Seccomp filters that a client's coming could set off. */
#ifndef MT_CTL_FILTER_H
#define MT_CTL_FILTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* How many filters its /proc/PID/status tells of: 0, or from 1. */
long filter_count(const struct buf *status);

/* Is the library's thread behind a filter that was put on it while it ran? Such a one may kill, at the thread's
   accept. False where it has no such thread. Asks nothing but /proc. */
bool filter_may_kill(pid_t pid);

#endif
