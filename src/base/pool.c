/* SPDX-License-Identifier: BSD-2-Clause */
/* Private mappings and slabs. Called on our thread, under the gate on the host's, by mtctl. */
#include "pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "kernel.h"

#define BLOCK_BYTES ((size_t)1 << 20)
#define KEEP_BYTES ((size_t)64 << 10)

struct slab_block {
	struct slab_block *prev, *next; /* in slab.open, while there is room */
	void *freed;                    /* objects given back, linked through their first word */
	size_t used;
	size_t fresh; /* offset of the first byte never handed out */
};

/* After mlockall(MCL_FUTURE) each new mapping that can be accessed is made resident whole. So it comes without access, is
   unlocked, and only then can be written: a page is resident once it is touched. */
void *pool_map(size_t bytes)
{
	int saved = errno;
	void *at = kernel_mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		at = NULL;
	} else {
		kernel_munlock(at, bytes); /* refused by a filter, it is only resident sooner */
		if (kernel_mprotect(at, bytes, PROT_READ | PROT_WRITE) < 0) {
			kernel_munmap(at, bytes);
			at = NULL;
		}
	}
	errno = saved;
	return at;
}

void pool_unmap(void *at, size_t bytes)
{
	int saved = errno;

	kernel_munmap(at, bytes); /* fails only on arguments that we did not get from pool_map */
	errno = saved;
}

void *pool_resize(void *at, size_t old_bytes, size_t new_bytes)
{
	int saved = errno;

	at = kernel_mremap(at, old_bytes, new_bytes, MREMAP_MAYMOVE);
	errno = saved;
	return at == MAP_FAILED ? NULL : at;
}

void pool_return(void *at, size_t bytes)
{
	int saved = errno;

	if (kernel_madvise(at, bytes, MADV_DONTNEED) < 0 && kernel_munlock(at, bytes) == 0)
		kernel_madvise(at, bytes, MADV_DONTNEED); /* the host has locked all that it had */
	errno = saved;
}

/* Objects begin at a multiple of their size, so those of a power of two never straddle pages. */
static size_t first_object(const struct slab *s)
{
	size_t header = sizeof(struct slab_block) + s->object_bytes - 1;

	return header - header % s->object_bytes;
}

static bool is_full(const struct slab *s, const struct slab_block *b)
{
	return !b->freed && b->fresh + s->object_bytes > BLOCK_BYTES;
}

static void link_block(struct slab *s, struct slab_block *b)
{
	b->prev = NULL;
	b->next = s->open;
	if (b->next)
		b->next->prev = b;
	s->open = b;
}

static void unlink_block(struct slab *s, struct slab_block *b)
{
	if (b->prev)
		b->prev->next = b->next;
	else
		s->open = b->next;
	if (b->next)
		b->next->prev = b->prev;
}

/* A block lies at a multiple of its size, so that an object's address leads to its block. */
struct slab_block *slab_new_block(const struct slab *s)
{
	char *raw = pool_map(2 * BLOCK_BYTES);
	uintptr_t skip;
	struct slab_block *b;

	if (!raw)
		return NULL;
	skip = -(uintptr_t)raw & (BLOCK_BYTES - 1);
	if (skip)
		pool_unmap(raw, skip);
	pool_unmap(raw + skip + BLOCK_BYTES, BLOCK_BYTES - skip);
	b = (struct slab_block *)(void *)(raw + skip);
	*b = (struct slab_block){ .fresh = first_object(s) };
	return b;
}

void slab_add_block(struct slab *s, struct slab_block *b)
{
	link_block(s, b);
	s->blocks++;
}

static void release_block(struct slab *s, struct slab_block *b)
{
	int saved = errno;

	if (s->blocks > 1) {
		unlink_block(s, b);
		s->blocks--;
		pool_unmap(b, BLOCK_BYTES);
		return;
	}
	if (b->fresh > KEEP_BYTES) {
		kernel_madvise((char *)b + KEEP_BYTES, BLOCK_BYTES - KEEP_BYTES, MADV_DONTNEED);
		errno = saved;
	}
	b->freed = NULL;
	b->fresh = first_object(s);
}

void *slab_get(struct slab *s)
{
	struct slab_block *b = s->open;
	void *object;

	if (!b) {
		b = slab_new_block(s);
		if (!b)
			return NULL;
		slab_add_block(s, b);
	}
	object = b->freed;
	if (object) {
		b->freed = *(void **)object;
	} else {
		object = (char *)b + b->fresh;
		b->fresh += s->object_bytes;
	}
	b->used++;
	if (is_full(s, b))
		unlink_block(s, b);
	return object;
}

void slab_put(struct slab *s, void *object)
{
	struct slab_block *b =
		(struct slab_block *)((uintptr_t)object & ~(uintptr_t)(BLOCK_BYTES - 1));

	if (is_full(s, b))
		link_block(s, b);
	*(void **)object = b->freed;
	b->freed = object;
	if (--b->used == 0)
		release_block(s, b);
}
