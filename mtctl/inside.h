/* SPDX-License-Identifier: BSD-2-Clause */
/* Files as a process sees them: in its root directory, with its rights. */
#ifndef MT_CTL_INSIDE_H
#define MT_CTL_INSIDE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define INSIDE_GROUPS_MAX 64

/* Finds a path of the process `pid`, links followed in its root (`flags` may be O_NOFOLLOW for the last one); 0 is
   ourselves. A descriptor of O_PATH: nothing is opened, as the path may name a device or a FIFO (regular.h). -errno. */
int inside_find(pid_t pid, const char *path, int flags);

/* 0 or -errno. */
int inside_stat(pid_t pid, const char *path, struct stat *st);

/* Who wants to read. */
struct persona {
	uid_t uid;
	gid_t groups[INSIDE_GROUPS_MAX];
	unsigned group_count;
};

/* From the contents of a status file. */
void persona_of(const char *status, struct persona *who);

/* Somebody whom no file belongs to. */
void persona_other(struct persona *who);

/* May they do this (4 read, 2 write, 1 pass) with what `st` describes? Modes only. */
bool persona_may(const struct persona *who, const struct stat *st, unsigned what);

/* The first part of the path that they may not pass or, at its end, read, in `part`; false where
   there is none. */
bool persona_is_kept_from(const struct persona *who, pid_t pid, const char *path, char *part,
			  size_t cap);

#endif
