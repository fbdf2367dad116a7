/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the library does not obey its user in a process, as src/control/access.c decides it. */
#ifndef MT_CTL_ACCESS_WHY_H
#define MT_CTL_ACCESS_WHY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* Who may command a process, beside root. */
enum access {
	ACCESS_USER,  /* its user */
	ACCESS_GROUP, /* its user, who is in its groups; we are not */
	ACCESS_ROOT   /* nobody */
};

/* By what the process's status file says, which everybody may read. Unless it is its user the reason is appended. */
enum access access_why(pid_t pid, const char *status, struct buf *why);

/* The same for a process of which nothing has been read. */
enum access access_why_process(pid_t pid, struct buf *why);

#endif
