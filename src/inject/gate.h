/* SPDX-License-Identifier: BSD-2-Clause */
/* The one lock of the inject layer: whoever touches a pool, a test, a job or the random numbers
   is inside the gate. Our thread is inside whenever it is not waiting in poll; the host's threads
   enter for the C API and around fork. A long loop of ours asks its slice, which ends as soon as
   somebody else waits.

   The host's own prepare handlers may hold any lock when ours runs, its allocator's too. So a fork does not wait for an
   owner that is in a call which may block: it passes. Such calls stand between gate_block_begin and gate_block_end.
   Everything guarded by the gate has to be as a forked child may find it at each gate_block_begin; the owner comes back
   from gate_block_end only when no fork is passing. */
#ifndef MT_INJECT_GATE_H
#define MT_INJECT_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* From the constructor, once. */
void gate_begin(void);

/* The host's threads. Waits for one chunk's work at most. Signals are blocked until it leaves: a handler that forks would
   wait for its own thread. */
void gate_enter(void);
void gate_leave(void);

/* Our thread: lets everybody who waits go first. */
void gate_enter_last(void);

/* For what may block and needs nothing that the gate guards: leaves it, where this thread is inside, and enters
   again. */
bool gate_step_out(void);
void gate_step_in(bool was_inside);

/* fork's handlers. The first waits for the gate, or passes an owner that stays in one call. A signal handler may fork
   between the two. */
void gate_enter_to_fork(void);
void gate_leave_after_fork(void); /* in the parent */

/* In a forked child, whose only thread is the one that entered before fork. */
void gate_reset(void);

struct gate_passage {
	_Atomic unsigned calls;   /* begun and ended by the owner: odd while it is in one */
	_Atomic unsigned passing; /* forks */
	atomic_bool fenced;       /* there is no membarrier: the owner has to order its own stores and loads */
} __attribute__((aligned(64)));
extern struct gate_passage gate_passage;
extern _Thread_local bool gate_is_inside; /* this thread */

/* Waits until no fork is passing. */
void gate_let_pass(void);

/* Around each call inside the gate that may block: of the allocator, of a file system, to touch a page. Nothing where
   this thread is not inside. A few instructions, since they stand around millions of allocations a second: the fork that
   passes brings the barrier. */
static inline void gate_block_begin(void)
{
	if (gate_is_inside)
		atomic_store_explicit(&gate_passage.calls,
				      atomic_load_explicit(&gate_passage.calls, memory_order_relaxed) + 1,
				      memory_order_release);
}

static inline void gate_block_end(void)
{
	if (!gate_is_inside)
		return;
	atomic_store_explicit(&gate_passage.calls, atomic_load_explicit(&gate_passage.calls, memory_order_relaxed) + 1,
			      memory_order_release);
	if (atomic_load_explicit(&gate_passage.fenced, memory_order_relaxed))
		atomic_thread_fence(memory_order_seq_cst);
	else
		atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&gate_passage.passing, memory_order_relaxed))
		gate_let_pass();
}

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
