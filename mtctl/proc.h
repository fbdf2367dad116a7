/* SPDX-License-Identifier: BSD-2-Clause */
/* What /proc tells of a process. Pids are those that mtctl sees, unless said otherwise. */
#ifndef MT_CTL_PROC_H
#define MT_CTL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

#define PROC_NAME_MAX 64

struct proc {
	pid_t pid, parent;
	pid_t inner; /* its own idea of its pid: that of its innermost pid namespace */
	uid_t uid;   /* effective */
	uid_t uids[4]; /* real, effective, saved, and that of the file system */
	char name[PROC_NAME_MAX];    /* comm: at most 15 bytes, and the process may change it */
	char program[PROC_NAME_MAX]; /* the executable's file name, or "" where we may not know */
};

/* A process chooses its name, a terminal's commands and hidden characters included: this is how it is shown (label_line).
   Names are compared as they are shown, so that two which look the same are the same. */
void proc_clean(char *name);

/* False when there is no such process. */
bool proc_read(pid_t pid, struct proc *p);

/* Is the library in it, by its file's name or its thread's? 1, 0, or -errno. No more is read than that takes. */
int proc_has_library(pid_t pid, struct buf *scratch);

/* The thread of the library's in it, by its name; 0 where there is none. `filters`, unless NULL: how many seccomp
   filters there were when the program began, as that name tells. */
pid_t proc_our_thread(pid_t pid, long *filters);

/* Calls `each` with every thread of the process until it returns false. */
void proc_each_thread(pid_t pid, bool (*each)(void *context, pid_t pid, pid_t thread), void *context);

/* Reads /proc/PID/FILE with a NUL behind it. 0 or -errno: -EFBIG where it is longer than any such file has reason to be,
   -ETIME where the search has taken too long (effort.h). */
int proc_file(pid_t pid, const char *file, struct buf *out);

/* The number behind a line's label ("\nPPid:\t") in the contents of a status file, or the last of
   several; 0 where there is none. */
long proc_field(const char *status, const char *label, bool last);

/* A variable in the contents of an environ file, or NULL. */
const char *proc_env(const struct buf *environment, const char *name);

/* Calls `each` with every pid. How many were left out, since they were too many (effort.h). */
size_t proc_each(void (*each)(void *context, pid_t pid), void *context);

#endif
