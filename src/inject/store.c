/* SPDX-License-Identifier: BSD-2-Clause */
/* For chunk.c and sched.c. */
#include "store.h"

#include "inject/content.h"
#include "inject/gate.h"

void store_touch(void *at, size_t bytes)
{
	gate_block_begin();
	content_make_resident(at, 0, bytes);
	gate_block_end();
}

void *store_get(struct slab *s)
{
	void *object;

	if (!s->open) {
		struct slab_block *b;

		gate_block_begin();
		b = slab_new_block(s);
		gate_block_end();
		if (!b)
			return NULL;
		slab_add_block(s, b);
	}
	object = slab_get(s);
	store_touch(object, s->object_bytes);
	return object;
}
