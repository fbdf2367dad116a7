/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving pages that are free back to the system: each allocator has a function of its own for that, which is
   looked for when it is first wanted. On our thread, inside the gate; valid after real_settle. */
#ifndef MT_HOST_TRIM_H
#define MT_HOST_TRIM_H

#include <stdbool.h>

/* The name of the allocator's function; "none" where it has none. */
const char *trim_how(void);

/* Has the allocator take back, and give to the system, what it keeps for the calling thread alone. Short. */
void trim_thread(void);

/* Calls the function for the whole heap, where there is one. Any thread, inside the gate or not, once trim_has_heap
   was asked: the more is free the longer it takes, and the host's threads wait meanwhile where they need the
   allocator's locks. */
bool trim_has_heap(void);
void trim_heap(void);

/* Before the calling thread allocates the first of many small blocks: sees to it that the allocator will not keep
   any of them for the thread once they are freed. Takes 0.2 ms and 0.2 MiB, once a thread, and only where the allocator is
   such that a block that it keeps can hold back pages that are free: glibc. */
void trim_prepare(void);

#endif
