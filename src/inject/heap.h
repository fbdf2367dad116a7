/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator as injection calls it. Inside the gate a fork may pass each of these calls: a block is recorded only
   after it was allocated, and forgotten before it is freed, so that a child loses one block at the most and frees none
   twice. */
#ifndef MT_INJECT_HEAP_H
#define MT_INJECT_HEAP_H

#include <stddef.h>

#include "host/real.h"
#include "inject/gate.h"

static inline void *heap_malloc(size_t size)
{
	void *at;

	gate_block_begin();
	at = real.malloc(size);
	gate_block_end();
	return at;
}

static inline void *heap_realloc(void *old, size_t size)
{
	void *at;

	gate_block_begin();
	at = real.realloc(old, size);
	gate_block_end();
	return at;
}

static inline void heap_free(void *at)
{
	gate_block_begin();
	real.free(at);
	gate_block_end();
}

static inline size_t heap_usable_size(void *at)
{
	size_t size;

	gate_block_begin();
	size = real.malloc_usable_size(at);
	gate_block_end();
	return size;
}

#endif
