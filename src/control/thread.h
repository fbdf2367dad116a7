/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting our thread, so that neither it nor the host's signals and descriptors meet. */
#ifndef MT_CONTROL_THREAD_H
#define MT_CONTROL_THREAD_H

#include <stdbool.h>
#include <sys/types.h>

/* Once, from the constructor: dlsym, which this calls, waits for whoever is inside dlopen, and that may be a host
   thread that forks there and waits for ours. */
void thread_begin(void);

/* Starts a detached thread with all signals blocked and a small stack. 0 or -errno. Host's
   thread; its signal mask is as before afterwards. */
int thread_start(void *(*run)(void *));

/* Gives the calling thread this name and a descriptor table of its own, with nothing of the host's
   in it and harmless descriptors as 0, 1 and 2. 0, or -errno: then it must open nothing. */
int thread_settle(const char *name);

/* Does the kernel not know the thread any more, which is so a moment after it has returned? Any thread. */
bool thread_is_gone(pid_t tid);

#endif
