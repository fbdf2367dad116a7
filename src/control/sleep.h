/* SPDX-License-Identifier: BSD-2-Clause */
/* How our thread waits: in one way, in ppoll, with one signal unblocked. A timer sends it when somebody wakes the thread.
   Signals of the host do not wake it, as they would wake whoever polls a signalfd. The signal, 32, belongs to the C library,
   for pthread_cancel (glibc) and timers (musl): no host sends or blocks it, and nobody cancels our thread, which alone has
   it blocked.

   The timer takes a place in the queue of signals, and the queue of a user may have no room (RLIMIT_SIGPENDING). Then the
   thread looks ten times a second until there is room. */
#ifndef MT_CONTROL_SLEEP_H
#define MT_CONTROL_SLEEP_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SLEEP_FDS 96

struct sleeper {
	_Atomic pid_t tid;  /* 0: nobody is to be woken */
	atomic_bool woken;  /* since it last fell asleep */
	atomic_int timer;   /* wakes it even where the queue has no room, since its place was taken before; -1: none */
	atomic_bool looks;  /* ten times a second */

	/* The polled set: our thread's alone. */
	struct pollfd polled[SLEEP_FDS];
	unsigned count;
};

/* Any thread, before there is one that sleeps: best where there is no other thread, since the C library gives the signal
   a handler as soon as somebody calls pthread_cancel. That one stays. */
void sleep_handle_signal(void);

/* On the thread, first of all: sleeps until then, or until it is woken. Most programs end sooner, and have paid for
   nothing more than for a thread. */
void sleep_rest(struct sleeper *s, uint64_t until_ns);

/* On the thread, after its rest: takes the place for a wake-up that cannot fail. */
void sleep_begin(struct sleeper *s);

/* Nobody is to be woken any more: once the thread is gone; and in a forked child, whose kernel knows no timer. */
void sleep_end(struct sleeper *s);
void sleep_forget(struct sleeper *s);

/* Any thread, and a signal handler. Takes no descriptor; keeps errno. */
void sleep_wake(struct sleeper *s);

/* Any thread, while there is that one: can it be sent a signal now? It wakes it. One that has
   yet to begin its rest is taken to. Keeps errno. */
bool sleep_takes_signals(const struct sleeper *s);

/* On the thread: the set of descriptors is built anew for each wait. */
void sleep_clear(struct sleeper *s);
void sleep_add(struct sleeper *s, int fd, short events);

/* On the thread: what `fd` tells by a signal of its own (F_NOTIFY) wakes it, too. 0 or -errno. And: may any
   have told something since it was last asked? */
int sleep_told_by(int fd);
bool sleep_noticed(void);

/* Any thread, as sleep_wake: so that sleep_noticed is true, whether the thread slept or not. */
void sleep_notice(struct sleeper *s);

/* Looks what has come, without waiting. True when something has. */
bool sleep_look(struct sleeper *s);

/* May the calling thread wait for descriptors at all? A filter of system calls may refuse it. */
bool sleep_can_wait(void);

/* Waits until then, until something comes, or until it is woken; then the set tells what has come. */
void sleep_until(struct sleeper *s, uint64_t deadline_ns);

#endif
