/* SPDX-License-Identifier: BSD-2-Clause */
/* Around what no signal handler of the host's may interrupt, since it might fork there. The C library's own signals stay
   as they are: it waits for all threads to take them. Any thread; keeps errno. */
#ifndef MT_BASE_SIGNALS_H
#define MT_BASE_SIGNALS_H

#include "base/kernel.h"

/* The first real-time signals are the C library's, up to the one that it calls SIGRTMIN. */
#define SIGNALS_FIRST_INTERNAL 32

/* Blocks all others. Returns the mask from before, for signals_restore. */
static inline uint64_t signals_block(void)
{
	uint64_t all = ~UINT64_C(0), before = 0;

	for (int number = SIGNALS_FIRST_INTERNAL; number < SIGRTMIN; number++)
		all &= ~(UINT64_C(1) << (number - 1));
	kernel_raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&before, sizeof(before), 0, 0);
	return before;
}

static inline void signals_restore(uint64_t before)
{
	kernel_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before), 0, 0);
}

#endif
