/* SPDX-License-Identifier: BSD-2-Clause */
/* -n NAME:ROLE:INDEX, each part of which may be empty or left out: nginx:worker:1. */
#ifndef MT_CTL_ROLE_H
#define MT_CTL_ROLE_H

#include "find.h"

struct role {
	const char *text; /* as it was given */
	char name[PROC_NAME_MAX];
	char role[PROC_NAME_MAX]; /* a word of the title; or master, parent, worker, child: who started
				     whom */
	unsigned long index;      /* from 1, in the order of pids; 0: all */
};

/* CTL_DONE, or CTL_USAGE with the error said. `text` stays the caller's. */
int role_read(const char *text, struct role *r);

/* Keeps those of one name, sorted by pid, that have the role, and of these the one of the index. Each user's are judged
   and counted for themselves (family.h): whoever calls his process so moves nobody else's place. Those of several users are
   refused, unless `each` is wanted. CTL_DONE, or CTL_UNREACHABLE with the error said. */
int role_keep(const struct role *r, bool each, struct instances *found);

#endif
