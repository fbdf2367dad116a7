/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving memory back to the system, which each allocator does in a way of its own. On our thread, inside the gate,
   unless a comment says otherwise. */
#ifndef MT_HOST_TRIM_H
#define MT_HOST_TRIM_H

#include <stdbool.h>
#include <stddef.h>

/* Called once at the process's start, after real_settle: finds the allocator's way. Takes a few microseconds. */
void trim_settle(void);

/* The name of the allocator's function; "none" where it has none. */
const char *trim_how(void);

/* Has the allocator take back, and give to the system, what it keeps for the calling thread alone. Short. */
void trim_thread(void);

/* Calls the function for the whole heap, where there is one. Any thread, inside the gate or not: the more is free the
   longer it takes, and the host's threads wait meanwhile where they need the allocator's locks. */
bool trim_has_heap(void);
void trim_heap(void);

/* Before our thread allocates a block of so many bytes, and before it frees many: see to it that the allocator will keep
   none of them for the thread once they are freed, where it is such that a block which it keeps can hold back pages that
   are free: glibc (host/cache.h). The second takes no memory. The third is for when all is freed: true when it may have
   let go of blocks that were in the way. */
void trim_prepare(size_t size);
void trim_fill(void);
bool trim_renew(void);

/* In a forked child: forgets what another thread had begun in these. */
void trim_adopt(void);

/* For one in many small blocks of another thread's arena that are all freed here, and for the last: before it is freed it
   is grown, so that what is free around it is given back with it. Returns where the block is then. Any thread. */
void *trim_gather(void *at);

/* Frees a block of ours so that the allocator treats the host's later blocks as it would have without it: as glibc
   does not once a large one was freed. `size` is what was asked for. Allocates nothing. Any thread. */
void trim_free(void *at, size_t size);

#endif
