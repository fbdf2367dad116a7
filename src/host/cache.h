/* SPDX-License-Identifier: BSD-2-Clause */
/* glibc's cache of freed blocks, of which each thread has one: what our thread frees is not to stay there. On our
   thread, inside the gate. */
#ifndef MT_HOST_CACHE_H
#define MT_HOST_CACHE_H

#include <stdbool.h>

/* Before blocks are allocated: holds some of each size that the cache keeps, from the heap's beginning. A thread's first
   call takes 0.2 ms and 0.3 MiB, the first after cache_fill microseconds; any other returns at once. */
void cache_prepare(void);

/* Before many are freed: fills the cache with the blocks that are held, in the place of whatever is in it, so that from
   now on all that is freed goes to the heap. Takes tens of microseconds, and no memory. Nothing where that is
   done already. */
void cache_fill(void);

/* When all has been freed and settled: looks whether the cache has what it should, and what had been lost is free to be
   taken again. True where there was something to do: then once more after the heap has settled. */
bool cache_renew(void);

/* In a child that was forked while one of these was at work: what it had in hand is lost to the child. */
void cache_adopt(void);

#endif
