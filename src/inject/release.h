/* SPDX-License-Identifier: BSD-2-Clause */
/* Freeing chunks, and having the allocator give their pages back to the system. Inside the gate, unless a comment says
   otherwise. */
#ifndef MT_INJECT_RELEASE_H
#define MT_INJECT_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "inject/chunk.h"

/* Frees a chunk at once, whatever is in it. `outside` the gate it may be any thread. */
void release_chunk(const struct chunk *c, bool outside);

/* Frees a small block; `left` are in its pool after it. The caller gives its bytes back to the budget and notes it, for
   many at a time. */
void release_small(void *at, uint64_t left);
void release_note(unsigned blocks);

/* After chunks were released for good: lets the allocator give back what it can by itself. Nothing where only mappings
   were. */
void release_settle(void);

/* The same, once so many small ones were. */
void release_settle_if_many(void);

/* The same on our thread, at the end of what takes all of something back. */
void release_finish(void);

/* While a thread frees what another has allocated: one small block in so many, and the last of each pool, gives back with
   it what is free around it (trim_gather), since no call on this thread settles the other's arena. */
void release_gather(bool on);

#endif
