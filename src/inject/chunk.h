/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of what was injected: pools of chunks. A record costs 14 bytes and lies in private
   memory apart from the chunk, in segments that never move, so an overrun in the host's heap
   cannot damage it. Everything here is called inside the gate. */
#ifndef MT_INJECT_CHUNK_H
#define MT_INJECT_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 16 TiB: what a record has room for. */
#define CHUNK_BYTES_MAX ((UINT64_C(1) << 44) - 1)

#define CHUNK_PATTERN 1u /* filled with the pattern, to be verified before release */
#define CHUNK_MAPPED 2u  /* a mapping of its own, not a block of the allocator's */
#define CHUNK_TOUCHED 4u /* its pages were stored to */
#define CHUNK_DAMAGED 8u /* its pattern is, and that has been counted */

struct chunk {
	void *addr;
	size_t size;
	unsigned flags;
};

struct chunk_segment;

/* Zeroed is empty. Oldest chunks at the head. */
struct chunk_pool {
	struct chunk_segment *head, *tail;
	uint64_t chunks;
	uint64_t bytes;
	bool measured;      /* set from the beginning: keeps the next two, at the price of asking the allocator */
	uint64_t allocated; /* bytes with what the allocator rounded up to */
	uint64_t resident;  /* of these, in chunks whose pages were stored to */
	uint64_t removals; /* counts up whenever a chunk leaves: a cursor from before is stale */
	unsigned drained;  /* by chunk_drain since the last chunk came */
};

/* 0, or -ENOMEM: no room for the record; the chunk stays the caller's. */
int chunk_push(struct chunk_pool *pool, const struct chunk *c);

/* Takes the oldest out; false when empty. */
bool chunk_pop(struct chunk_pool *pool, struct chunk *c);

/* As chunk_pop, where all are to go: a few of the oldest first, then from the newest on. glibc gives pages
   back only behind the last block in use; so the heap shrinks all the while, instead of by gigabytes in the last
   call. Where its thread cache is not full (host/cache.h), as with chunks of the C API, what is freed first stays
   there, and has to be blocks at the heap's beginning. */
bool chunk_drain(struct chunk_pool *pool, struct chunk *c);

/* Appends all of `from` to `to`; `from` is empty afterwards. Cannot fail. */
void chunk_splice(struct chunk_pool *to, struct chunk_pool *from);

/* Walks from newest to oldest: start from a zeroed cursor. Chunks pushed meanwhile are not met;
   after a removal that is not chunk_take's the cursor is stale. */
struct chunk_cursor {
	struct chunk_segment *segment;
	unsigned index;
	bool started;

	/* While it is watched: */
	bool gone; /* the chunk last met has left the pool */
	struct chunk_cursor *next_watched;
};
bool chunk_prev(const struct chunk_pool *pool, struct chunk_cursor *at, struct chunk *c);

/* Takes the chunk that chunk_prev just met out of the pool; the walk goes on below it. */
void chunk_take(struct chunk_pool *pool, struct chunk_cursor *at);

/* A watched cursor stays good whatever leaves the pool, for a walk over many slices: chunks that leave are
   not met any more. */
void chunk_watch(struct chunk_cursor *at);
void chunk_unwatch(struct chunk_cursor *at);
void chunk_unwatch_all(void);

/* Stores the flags of the chunk that the cursor has last met. */
void chunk_mark(struct chunk_cursor *at, unsigned flags);

/* Puts the cursor at one of the newest some thousand chunks, evenly by `random`. False when empty. */
bool chunk_pick(const struct chunk_pool *pool, uint64_t random, struct chunk_cursor *at, struct chunk *c);

/* Bytes of private memory that records take in all. */
uint64_t chunk_record_bytes(void);

#endif
