/* SPDX-License-Identifier: BSD-2-Clause */
/* Around what no signal handler of the host's may interrupt, since it might fork there. The C library's own signals stay
   as they are: it waits for all threads to take them. Any thread; keeps errno. */
#ifndef MT_BASE_SIGNALS_H
#define MT_BASE_SIGNALS_H

#include "base/kernel.h"

/* The first real-time signals are the C library's, up to the one that it calls SIGRTMIN. */
#define SIGNALS_FIRST_INTERNAL 32

#define SIGNALS_BIT(number) (UINT64_C(1) << ((number) - 1))

/* A thread meets these by what it does. Where they are blocked the kernel ends the process, though a handler may be what
   the host's allocator or sandbox goes by. */
#define SIGNALS_OWN_DOING \
	(SIGNALS_BIT(SIGSEGV) | SIGNALS_BIT(SIGBUS) | SIGNALS_BIT(SIGILL) | SIGNALS_BIT(SIGFPE) | SIGNALS_BIT(SIGTRAP) | \
	 SIGNALS_BIT(SIGSYS))

static inline uint64_t signals_block_but(uint64_t open)
{
	uint64_t blocked = ~open, before = 0;

	for (int number = SIGNALS_FIRST_INTERNAL; number < SIGRTMIN; number++)
		blocked &= ~SIGNALS_BIT(number);
	kernel_raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&before, sizeof(before), 0, 0);
	return before;
}

/* For a thread of ours to be, which is begun with this mask. Returns the one before, for signals_restore. */
static inline uint64_t signals_block_all(void)
{
	return signals_block_but(0);
}

/* For a host's thread. */
static inline uint64_t signals_block(void)
{
	return signals_block_but(SIGNALS_OWN_DOING);
}

static inline void signals_restore(uint64_t before)
{
	kernel_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before), 0, 0);
}

#endif
