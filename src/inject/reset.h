/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking everything back for nobody in particular: what mt.reset does for a client, for the lease and
   for STOP. Needs no memory. Inside the gate, on our thread unless it says otherwise. */
#ifndef MT_INJECT_RESET_H
#define MT_INJECT_RESET_H

#include <stdbool.h>

/* Stops all tests, cancels all jobs, and begins to free everything. While that is under way, what has come
   meanwhile is taken back after it. */
void reset_start(void);

bool reset_is_running(void);

/* Where our thread does not run, on another one and outside the gate: returns when everything has been taken
   back. */
void reset_here(void);

/* In a forked child without a thread of ours: what it has adopted is given back. Where the allocator is not `usable` its
   blocks stay, for mt_mem_free, but not their pages. */
void reset_adopted(bool usable);

/* After fork, in the child, once all jobs have been forgotten: one that was under way begins again. */
void reset_adopt(void);

#endif
