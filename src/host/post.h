/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocations made by the host's own threads: in their arenas, between their own blocks, where a real leak
   would be. Our thread posts a size; the dispatch table then leads through functions that serve one post
   after a call of the host's. Once none is wanted it leads straight to the next allocator again. */
#ifndef MT_HOST_POST_H
#define MT_HOST_POST_H

#include <stdbool.h>
#include <stddef.h>

enum post_state { POST_UNUSED, POST_WANTED, POST_TAKEN, POST_DONE };

/* Our thread. A slot, or -EAGAIN: all are in use. Only where the host's calls pass through us. */
int post_put(size_t size);

/* Our thread. How far it is. POST_DONE sets `*at` (NULL: the allocator refused) and ends the slot's use. */
enum post_state post_get(int slot, void **at);

/* Our thread. Takes a post back. False when a host thread has taken it already: it will be done in a moment. */
bool post_withdraw(int slot);

/* In a forked child, after what is done has been got: forgets the rest. A block that another thread of the parent
   was just being given is lost to the child. */
void post_reset(void);

#endif
