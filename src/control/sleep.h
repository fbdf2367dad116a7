/* SPDX-License-Identifier: BSD-2-Clause */
/* How our thread waits: in one way, asleep for one signal alone. Host threads send it to wake the thread, and the
   kernel sends it for each watched descriptor. Signals of the host do not wake it, as they would wake whoever polls
   a signalfd. The signal, 32, belongs to the C library, for pthread_cancel (glibc) and timers (musl): no host sends or
   blocks it, and nobody cancels our thread, which alone has it blocked.

   Such signals are queued, and the queue of a user may have no room (RLIMIT_SIGPENDING). Then the thread looks ten
   times a second. */
#ifndef MT_CONTROL_SLEEP_H
#define MT_CONTROL_SLEEP_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SLEEP_FDS 96

/* Of a descriptor that may end a sleep. Zeroed for a new one. */
enum sleep_arm {
	ARM_UNKNOWN, /* the kernel has not been told whom to signal */
	ARM_OFF,
	ARM_ON
};

struct sleeper {
	_Atomic pid_t tid;  /* 0: nobody is to be woken */
	atomic_bool woken;  /* since it last fell asleep */
	atomic_int timer;   /* wakes it even where the queue has no room, since its place was taken before; -1: none */
	bool noticed;       /* a change of a directory that is watched by dnotify; our thread's alone */
	atomic_bool looks;  /* ten times a second */
	uid_t armed_as[3];  /* the kernel asks whether they may signal us */

	/* The polled set: our thread's alone. */
	struct pollfd polled[SLEEP_FDS];
	enum sleep_arm *arm[SLEEP_FDS];
	unsigned count;
};

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

/* On the thread: the set of descriptors is built anew for each wait. `arm` is as old as the descriptor is open. */
void sleep_clear(struct sleeper *s);
void sleep_add(struct sleeper *s, int fd, short events, enum sleep_arm *arm);

/* On the thread: what `fd` tells by a signal of its own (F_NOTIFY) wakes it, too. 0 or -errno. And: has any told
   something since it was last asked? */
int sleep_told_by(int fd);
bool sleep_noticed(struct sleeper *s);

/* Looks what has come, without waiting. True when something has. */
bool sleep_look(struct sleeper *s);

/* Waits until then, until something comes, or until it is woken; then the set tells what has come. */
void sleep_until(struct sleeper *s, uint64_t deadline_ns);

#endif
