/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting our thread, so that neither it nor the host's signals and descriptors meet. */
#ifndef MT_CONTROL_THREAD_H
#define MT_CONTROL_THREAD_H

#include <stdbool.h>
#include <stdint.h>
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

/* A thread of ours that others may wake out of its rest, or out of poll. */
struct sleeper {
	_Atomic pid_t tid; /* 0: does not run */
	_Atomic int fd;    /* in its own table: readable once it has been woken; -1: it cannot be */
};

/* On that thread, first of all: sleeps until then, or until it is woken. Most programs end sooner, and have paid for
   nothing more than for a thread. */
void thread_rest(struct sleeper *s, uint64_t until_ns);

/* On that thread, after both thread_rest and thread_settle: from now on its descriptor tells. */
void thread_can_be_woken(struct sleeper *s);

/* On a thread that is asleep between its turns: what `fd` tells by a signal (F_NOTIFY, O_ASYNC) wakes it. 0 or -errno. */
int thread_told_by(int fd);

/* Any thread, and a signal handler. Takes no descriptor. */
void thread_wake(struct sleeper *s);

/* On that thread, once its descriptor is readable: the next wait sleeps again. */
void thread_was_woken(const struct sleeper *s);

/* Waits until the kernel does not know the thread any more, which is a moment after it has returned. */
void thread_wait_gone(pid_t tid);

#endif
