/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the library obeys root alone in a process, as src/control/access.c decides it. */
#ifndef MT_CTL_ACCESS_WHY_H
#define MT_CTL_ACCESS_WHY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* By what the process's status file says, which everybody may read. False where its user may command the process; else the
   reason is appended. */
bool access_why(pid_t pid, const char *status, struct buf *why);

/* The same for a process of which nothing has been read. */
bool access_why_process(pid_t pid, struct buf *why);

#endif
