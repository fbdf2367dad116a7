/* SPDX-License-Identifier: BSD-2-Clause */
/* The one lock of the inject layer: whoever touches a pool, a test, a job or the random numbers
   is inside the gate. Our thread is inside whenever it is not waiting in poll; the host's threads
   enter for the C API and around fork. A long loop of ours asks its slice, which ends as soon as
   somebody else waits.

   Inside the gate we call the next allocator, whose own locks are thus taken after ours. In fork's
   prepare handlers the order is the same, because the allocator's handlers were registered
   first (control/fork.c) and so run last. */
#ifndef MT_INJECT_GATE_H
#define MT_INJECT_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* The host's threads. Waits for one chunk's work at most. */
void gate_enter(void);
void gate_leave(void);

/* Our thread: lets everybody who waits go first. */
void gate_enter_last(void);

/* In a forked child, whose only thread is the one that entered before fork. */
void gate_reset(void);

/* A share of our thread's time between two polls. */
struct slice {
	uint64_t until_ns;
	uint64_t work; /* bytes handled since the clock was last read */
};

struct slice slice_of(uint64_t ns);
#define SLICE_NS (NS_PER_MS / 2) /* as a rule */

/* Counts one step that handled `bytes`; true once the share is used up or somebody waits. The clock is
   read each time that SLICE_LOOK_BYTES have been counted. */
#define SLICE_LOOK_BYTES ((size_t)32 << 10)
bool slice_over(struct slice *s, size_t bytes);

#endif
