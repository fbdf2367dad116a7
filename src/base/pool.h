/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own memory: private mappings, never the host's heap. All functions leave errno alone. */
#ifndef MT_BASE_POOL_H
#define MT_BASE_POOL_H

#include <stddef.h>

/* Zeroed pages, none of them resident yet, or NULL. The caller gives them back with pool_unmap and the same size. */
void *pool_map(size_t bytes);
void pool_unmap(void *at, size_t bytes);

/* Gives the pages back, also those that the host's mlockall has locked; the addresses stay and read as zero. */
void pool_return(void *at, size_t bytes);

/* Resizes a mapping; it may move, also where it shrinks. NULL when it cannot grow: the old one is then intact. */
void *pool_resize(void *at, size_t old_bytes, size_t new_bytes);

/* A slab of equal objects in blocks of 1 MiB, so that a hundred thousand of them are not as
   many mappings. A block goes back to the system when its last object does; the last block
   is kept, but not its pages. Objects are not cleared. The caller brings the lock. */
struct slab {
	size_t object_bytes;
	struct slab_block *open; /* blocks with room, most recently opened first */
	size_t blocks;
};

#define SLAB_OF(type) { .object_bytes = sizeof(type) }

void *slab_get(struct slab *s); /* NULL when the system has no memory for us */
void slab_put(struct slab *s, void *object);

/* For whoever wants the slab unchanged while it takes memory: the next slab_get needs a new block where none is open. A
   block belongs to nobody until it is added. NULL when the system has no memory for us. */
struct slab_block *slab_new_block(const struct slab *s);
void slab_add_block(struct slab *s, struct slab_block *b);

#endif
