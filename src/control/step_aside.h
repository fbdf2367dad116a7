/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls at which our thread has to be out of the way, or loses rights together with the host. */
#ifndef MT_CONTROL_STEP_ASIDE_H
#define MT_CONTROL_STEP_ASIDE_H

#include <stdbool.h>

/* The C library's syscall, past our own; NULL until it has been looked up. */
extern long (*next_syscall)(long number, ...);

/* Looks it up. False where there is none, with errno set. Any thread. */
bool step_aside_ready(void);

/* Numbers that step_aside_call has something to do for; all others may go straight to next_syscall. */
#define STEP_ASIDE_NUMBERS(X) \
	X(SYS_seccomp) X(SYS_prctl) X(SYS_unshare) X(SYS_setns) X(SYS_exit) X(SYS_capset) \
	X(SYS_setuid) X(SYS_setgid) X(SYS_setreuid) X(SYS_setregid) X(SYS_setresuid) X(SYS_setresgid) \
	X(SYS_setgroups) X(SYS_setfsuid) X(SYS_setfsgid) X(SYS_landlock_restrict_self)

/* Of Linux 5.13, alike on all processors. */
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

/* Makes the call, and what has to be done before and after it: result and errno are the call's. Any of the host's
   threads, a signal handler, and a vfork child. */
long step_aside_call(long number, const unsigned long argument[6]);

#endif
