/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways of a chunk, in and out. */
#include "transit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "host/post.h"
#include "host/trim.h"
#include "inject/content.h"
#include "inject/heap.h"
#include "inject/record.h"
#include "inject/release.h"
#include "inject/unmap.h"

/* What is handled between two looks at the slice: tens of microseconds. */
#define PART_BYTES ((size_t)256 << 10)

/* From here on the gate is left for a part, so that the host's calls do not wait either. Below, a fork may pass. */
#define OUTSIDE_FROM_BYTES ((size_t)4096)

/* Purged to these boundaries, a part has a page table of its own, which Linux 6.14 and later then frees
   too. Without that the last call, which unmaps the block, frees them all: 2 ms for each GiB. */
#define PURGE_ALIGN ((uintptr_t)2 << 20)

/* Smaller blocks are freed in one call that takes no longer than a part. */
#define PURGE_FROM_BYTES ((size_t)1 << 20)

/* Below this the call costs more than the pages are worth. */
#define PURGE_FOR_GOOD_FROM_BYTES ((size_t)16 << 10)

/* A host that allocates all the time serves a post within this; one that does not is looked at after an
   eighth of the time that it has let us wait, and once in a while at least. */
#define LOOK_SOON_NS (50 * NS_PER_US)
#define LOOK_LATE_NS (50 * NS_PER_MS)

static _Atomic uint64_t corruptions;

/* Of a size from 1 where it is a mapping. Written field by field: a struct that is put together and then copied made
   the processor wait for its own stores, for each of millions of chunks. */
static bool allocate(struct chunk *c, size_t size, enum kind kind)
{
	int shared = kind == KIND_SHMEM ? MAP_SHARED : MAP_PRIVATE;
	void *at;

	c->size = size;
	if (kind_is_of_heap(kind)) {
		c->flags = 0;
		c->addr = heap_malloc(size);
		return c->addr != NULL;
	}
	gate_block_begin();
	at = kernel_mmap(NULL, size, PROT_READ | PROT_WRITE, shared | MAP_ANONYMOUS, -1, 0);
	gate_block_end();
	c->flags = CHUNK_MAPPED;
	c->addr = at == MAP_FAILED ? NULL : at;
	return c->addr != NULL;
}

/* It is allocated and may be filled. */
static void arrive(struct transit *t, enum kind kind)
{
	bool store = kind != KIND_UNTOUCHED;
	bool pattern = store && atomic_load_explicit(&content_check, memory_order_relaxed);
	bool touch = store && atomic_load_explicit(&content_touch, memory_order_relaxed);
	size_t size = t->chunk.size;

	t->stage = TRANSIT_FILLING;
	t->pattern = pattern;
	t->done = pattern || touch ? 0 : size;
	if (pattern || touch)
		t->chunk.flags |= CHUNK_TOUCHED;
	if (size > PART_BYTES)
		budget_pending((int64_t)(size - t->done));
}

static void post(struct transit *t, const struct want *w)
{
	t->slot = post_put(w->size);
	t->chunk = (struct chunk){ .size = w->size };
	t->kind = w->kind;
	t->post_ns = clock_ns();
	t->stage = TRANSIT_POSTED;
	budget_post((int64_t)w->size);
}

void transit_prepare(size_t size)
{
	gate_block_begin();
	trim_prepare(size);
	gate_block_end();
}

void transit_make_room(void)
{
	gate_block_begin();
	trim_fill();
	gate_block_end();
}

int transit_in(struct transit *t, const struct want *w, char why[BUDGET_WHY_MAX])
{
	bool by_host = w->where == WHERE_HOST && kind_is_of_heap(w->kind);
	int rc;

	if (w->size > CHUNK_BYTES_MAX)
		return -ENOMEM;
	rc = (w->outside ? budget_take : budget_take_inside)(w->size, why);
	if (rc)
		return rc;
	if (!w->outside && kind_is_of_heap(w->kind))
		transit_prepare(w->size);
	if (by_host) {
		post(t, w);
		return 0;
	}
	if (!allocate(&t->chunk, w->size, w->kind)) {
		(w->outside ? budget_give : budget_give_inside)(w->size);
		return -ENOMEM;
	}
	arrive(t, w->kind);
	return 0;
}

/* Makes it, and returns the chunk's flags. */
static unsigned content_of_small(char *at, size_t size)
{
	volatile char *p = at;

	if (atomic_load_explicit(&content_check, memory_order_relaxed)) {
		content_fill(at, 0, size);
		return CHUNK_TOUCHED | CHUNK_PATTERN;
	}
	if (!atomic_load_explicit(&content_touch, memory_order_relaxed))
		return 0;
	/* It lies on two pages at most. */
	p[0] = 0;
	p[size - 1] = 0;
	return CHUNK_TOUCHED;
}

bool transit_in_small(struct chunk_pool *pool, size_t size)
{
	struct chunk c = { .size = size };

	/* To touch a page may block as long as malloc. */
	gate_block_begin();
	c.addr = real.malloc(size);
	if (c.addr)
		c.flags = content_of_small(c.addr, size);
	gate_block_end();
	if (!c.addr)
		return false;
	if (chunk_push(pool, &c) == 0)
		return true;
	heap_free(c.addr);
	return false;
}

bool transit_arrived(struct transit *t, uint64_t *failed)
{
	if (t->slot < 0)
		t->slot = post_put(t->chunk.size);
	if (t->slot < 0 || post_get(t->slot, &t->chunk.addr) != POST_DONE)
		return false;
	budget_post(-(int64_t)t->chunk.size);
	if (t->chunk.addr) {
		arrive(t, t->kind);
		return true;
	}
	budget_give_inside(t->chunk.size);
	t->stage = TRANSIT_IDLE;
	++*failed;
	return true;
}

bool transit_withdraw(struct transit *t)
{
	if (t->slot >= 0 && !post_withdraw(t->slot))
		return false;
	budget_post(-(int64_t)t->chunk.size);
	budget_give_inside(t->chunk.size);
	t->stage = TRANSIT_IDLE;
	return true;
}

uint64_t transit_look_ns(const struct transit *t, uint64_t now_ns)
{
	uint64_t wait = (now_ns - t->post_ns) / 8;

	if (wait < LOOK_SOON_NS)
		wait = LOOK_SOON_NS;
	return now_ns + (wait < LOOK_LATE_NS ? wait : LOOK_LATE_NS);
}

/* Moves `done` on by one part and returns where that part began. */
static size_t next_part(struct transit *t)
{
	size_t from = t->done, left = t->chunk.size - from;

	t->done += left < PART_BYTES ? left : PART_BYTES;
	return from;
}

/* Around what touches `bytes` of the chunk in hand: to make a page present may block for as long as its control group is at
   its limit, or a disk has it. Nobody else has this chunk. */
static bool touch_begin(size_t bytes)
{
	if (bytes >= OUTSIDE_FROM_BYTES)
		return gate_step_out();
	gate_block_begin();
	return false;
}

static void touch_end(size_t bytes, bool was_inside)
{
	if (bytes >= OUTSIDE_FROM_BYTES)
		gate_step_in(was_inside);
	else
		gate_block_end();
}

/* From there to what is done. */
static void make_content(const struct transit *t, size_t from)
{
	bool was_inside = touch_begin(t->done - from);

	if (t->pattern)
		content_fill(t->chunk.addr, from, t->done);
	else
		content_make_resident(t->chunk.addr, from, t->done);
	touch_end(t->done - from, was_inside);
}

bool transit_in_step(struct transit *t, struct slice *slice)
{
	while (t->done < t->chunk.size) {
		size_t from = next_part(t);

		make_content(t, from);
		if (t->chunk.size > PART_BYTES)
			budget_pending(-(int64_t)(t->done - from));
		if (slice_over(slice, t->done - from) && t->done < t->chunk.size)
			return false;
	}
	/* Only now: half a pattern would read as damage in a child forked before. */
	if (t->pattern)
		t->chunk.flags |= CHUNK_PATTERN;
	t->stage = TRANSIT_IDLE;
	return true;
}

static size_t next_purge_part(struct transit *t)
{
	uintptr_t start = (uintptr_t)t->chunk.addr, at = start + t->done;
	size_t from = t->done, end = (at | (PURGE_ALIGN - 1)) + 1 - start;

	t->done = end < t->chunk.size ? end : t->chunk.size;
	return from;
}

void transit_out(struct transit *t, const struct chunk *c, bool for_good)
{
	/* Cancelled while it was filling: the rest will never be touched. */
	if (t->stage == TRANSIT_FILLING && t->chunk.size > PART_BYTES)
		budget_pending(-(int64_t)(t->chunk.size - t->done));
	*t = (struct transit){
		.chunk = *c,
		.for_good = for_good,
		.stage = c->flags & CHUNK_PATTERN ? TRANSIT_VERIFYING : TRANSIT_PURGING,
	};
}

void transit_note_damage(const struct chunk *c, size_t offset, bool quiet)
{
	atomic_fetch_add(&corruptions, 1);
	if (!quiet)
		record_line("corruption at %p: offset %zu of %zu is 0x%02x, expected 0x%02x", c->addr, offset,
			 c->size, ((unsigned char *)c->addr)[offset], content_expected(offset));
}

/* Counts a chunk once, and looks no further into it. */
static void verify_part(struct transit *t, size_t from, uint64_t *damaged)
{
	bool was_inside = touch_begin(t->done - from);
	size_t at = content_verify(t->chunk.addr, from, t->done);

	touch_end(t->done - from, was_inside);
	if (at == SIZE_MAX)
		return;
	if (!(t->chunk.flags & CHUNK_DAMAGED)) {
		transit_note_damage(&t->chunk, at, t->outside);
		++*damaged;
	}
	t->chunk.flags |= CHUNK_DAMAGED;
	t->done = t->chunk.size;
}

/* True when all of it is verified. */
static bool verify(struct transit *t, struct slice *slice, uint64_t *damaged)
{
	while (t->done < t->chunk.size) {
		size_t from = next_part(t);

		verify_part(t, from, damaged);
		if (slice_over(slice, t->done - from) && t->done < t->chunk.size)
			return false;
	}
	t->done = 0;
	return true;
}

bool transit_out_step(struct transit *t, struct slice *slice, uint64_t *damaged)
{
	size_t purge_from = t->for_good ? PURGE_FOR_GOOD_FROM_BYTES : PURGE_FROM_BYTES;

	if (t->stage == TRANSIT_VERIFYING) {
		if (!verify(t, slice, damaged))
			return false;
		t->stage = TRANSIT_PURGING;
		t->chunk.flags &= ~CHUNK_PATTERN;
	}
	while (t->chunk.size >= purge_from && t->done < t->chunk.size) {
		size_t from = next_purge_part(t);
		bool was_inside = touch_begin(t->done - from);

		content_purge(t->chunk.addr, from, t->done);
		touch_end(t->done - from, was_inside);
		if (slice_over(slice, t->done - from))
			return false;
	}
	t->stage = TRANSIT_IDLE; /* first: a child must not adopt what is being freed */
	release_chunk(&t->chunk, t->outside);
	if (t->for_good && t->chunk.size <= TRANSIT_SMALL_BYTES)
		release_settle_if_many();
	return true;
}

int transit_resize(struct transit *t, const struct chunk *c, size_t size, char why[BUDGET_WHY_MAX])
{
	int rc = size > CHUNK_BYTES_MAX ? -ENOMEM : 0;

	if (rc == 0 && size > c->size)
		rc = budget_take_inside(size - c->size, why);
	if (rc)
		return rc;
	*t = (struct transit){
		.chunk = *c,
		.resize = size,
		.stage = c->flags & CHUNK_PATTERN ? TRANSIT_VERIFYING : TRANSIT_RESIZING,
	};
	return 0;
}

/* The pattern depends on the offset alone, so what was verified stays good wherever the block moves. */
static void refill(struct transit *t, size_t old)
{
	size_t kept = old < t->chunk.size ? old : t->chunk.size;

	t->stage = TRANSIT_FILLING;
	t->pattern = t->chunk.flags & CHUNK_PATTERN;
	t->done = t->chunk.flags & CHUNK_TOUCHED ? kept & ~(size_t)7 : t->chunk.size;
	if (t->chunk.flags & CHUNK_DAMAGED)
		t->done = 0;
	t->chunk.flags &= ~(CHUNK_PATTERN | CHUNK_DAMAGED);
	if (t->chunk.size > PART_BYTES)
		budget_pending((int64_t)(t->chunk.size - t->done));
}

static bool resize(struct transit *t)
{
	size_t old = t->chunk.size;
	void *at;

	t->stage = TRANSIT_IDLE; /* a child must not adopt a block that realloc may have freed */
	at = heap_realloc(t->chunk.addr, t->resize);
	if (!at) {
		if (t->resize > old)
			budget_give_inside(t->resize - old);
		return false;
	}
	if (t->resize < old)
		budget_give_inside(old - t->resize);
	t->chunk.addr = at;
	t->chunk.size = t->resize;
	refill(t, old);
	return true;
}

bool transit_resize_step(struct transit *t, struct slice *slice, uint64_t *failed, uint64_t *damaged)
{
	if (t->stage == TRANSIT_VERIFYING) {
		if (!verify(t, slice, damaged))
			return false;
		t->stage = TRANSIT_RESIZING;
	}
	if (t->stage == TRANSIT_RESIZING && !resize(t)) {
		++*failed;
		t->stage = TRANSIT_IDLE;
		return true;
	}
	return transit_in_step(t, slice);
}

/* Nothing to be verified, and too little to be purged. */
static bool leaves_at_once(const struct chunk *c)
{
	return c->size <= TRANSIT_SMALL_BYTES && !(c->flags & (CHUNK_PATTERN | CHUNK_MAPPED));
}

bool transit_out_at_once(const struct chunk *c)
{
	if (!leaves_at_once(c))
		return false;
	release_chunk(c, false);
	release_settle_if_many();
	return true;
}

/* What the slice is told of each: freeing one takes as long as touching so many bytes. */
#define SMALL_WORK ((size_t)64)

bool transit_out_small(struct chunk_pool *pool, struct slice *slice, struct chunk *other)
{
	unsigned done;

	do {
		uint64_t bytes = 0;
		bool found = false;

		for (done = 0; done < TRANSIT_SMALL_AT_ONCE && chunk_drain(pool, other); done++) {
			found = !leaves_at_once(other);
			if (found)
				break;
			release_small(other->addr, pool->chunks);
			bytes += other->size;
		}
		budget_give_inside(bytes);
		release_note(done);
		release_settle_if_many();
		if (found)
			return true;
	} while (pool->chunks && !slice_over(slice, done * SMALL_WORK));
	return false;
}

bool transit_drain(struct transit *t, struct chunk_pool *pool, bool for_good, struct slice *slice,
		   uint64_t *damaged)
{
	struct chunk c;

	if (for_good)
		transit_make_room();
	for (;;) {
		if (t->stage == TRANSIT_IDLE) {
			if (!pool->chunks)
				return true;
			if (for_good ? transit_out_small(pool, slice, &c) : chunk_drain(pool, &c))
				transit_out(t, &c, for_good);
		}
		if (t->stage != TRANSIT_IDLE && !transit_out_step(t, slice, damaged))
			return false;
		if (slice_over(slice, 0) && pool->chunks)
			return false;
	}
}

void transit_adopt(struct transit *t, struct chunk_pool *pool)
{
	/* What one of the parent's threads was to allocate, the child has no use for. */
	if (t->stage == TRANSIT_POSTED && (t->slot < 0 || post_get(t->slot, &t->chunk.addr) != POST_DONE))
		t->stage = TRANSIT_IDLE;
	if (t->stage == TRANSIT_IDLE || !t->chunk.addr) {
		t->stage = TRANSIT_IDLE;
		return;
	}
	/* Without memory for the record it stays where it is. */
	chunk_push(pool, &t->chunk);
	t->stage = TRANSIT_IDLE;
}

uint64_t transit_corruptions(void)
{
	return atomic_load(&corruptions);
}
