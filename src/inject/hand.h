/* SPDX-License-Identifier: BSD-2-Clause */
/* The hand pool: what mt.mem_alloc, mt.mem_rnd_alloc and the C API hold, as opposed to tests. */
#ifndef MT_INJECT_HAND_H
#define MT_INJECT_HAND_H

#include <stddef.h>

#include "inject/chunk.h"

extern struct chunk_pool hand_pool; /* guarded by the gate */

/* For the C API, on the host's threads, from outside the gate. 0, -ENOMEM or -EDQUOT. */
int hand_alloc(size_t size);

/* Frees what was in the pool when it was called. */
void hand_free(void);

#endif
