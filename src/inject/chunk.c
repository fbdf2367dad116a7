/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools of chunk records: a list of small segments from one slab, oldest first. */
#include "chunk.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "inject/heap.h"
#include "inject/store.h"

/* 35 records in 512 bytes. The columns lie apart, so that none needs padding. */
#define SEGMENT_CHUNKS 35

struct chunk_segment {
	struct chunk_segment *prev, *next;
	void *addr[SEGMENT_CHUNKS];
	uint32_t size_low[SEGMENT_CHUNKS];
	uint16_t size_high[SEGMENT_CHUNKS]; /* 12 bits of size above 4 of flags */
	uint16_t first, end;                /* records in use: first <= i < end */
};
_Static_assert(sizeof(struct chunk_segment) == 512, "a power of two, so that none straddles pages");

static struct slab segments = SLAB_OF(struct chunk_segment);
static uint64_t segment_count;

/* Enough to fill a thread cache of glibc, 64 sizes of 7, also with chunks of random sizes up to 1 KiB: of half as many
   one of the sizes had less than its 7 in one run of four. Twice as many were felt by other clients. */
#define DRAIN_OLDEST 2048

/* chunk_pick looks no further back than this. */
#define PICK_SEGMENTS 256

static struct chunk_cursor *watched;

static void put(struct chunk_segment *s, unsigned i, const struct chunk *c)
{
	s->addr[i] = c->addr;
	s->size_low[i] = (uint32_t)c->size;
	s->size_high[i] = (uint16_t)(c->size >> 32 << 4 | c->flags);
}

static void get(const struct chunk_segment *s, unsigned i, struct chunk *c)
{
	c->addr = s->addr[i];
	c->size = (size_t)(s->size_high[i] >> 4) << 32 | s->size_low[i];
	c->flags = s->size_high[i] & 15u;
}

static uint64_t allocated_bytes(const struct chunk *c)
{
	uint64_t page = (uint64_t)getpagesize(), usable;

	if (c->flags & CHUNK_MAPPED)
		return (c->size + page - 1) & ~(page - 1);
	usable = heap_usable_size(c->addr);
	return usable ? usable : c->size; /* some allocators do not tell */
}

/* A chunk comes (1) or leaves (-1). Where the host has overwritten the allocator's own sizes, the two differ. A fork may
   pass here, so the chunk is in the pool. */
static void measure(struct chunk_pool *pool, const struct chunk *c, int sign)
{
	uint64_t allocated;

	if (!pool->measured)
		return;
	allocated = allocated_bytes(c) * (uint64_t)sign;
	pool->allocated += allocated;
	if (c->flags & CHUNK_TOUCHED)
		pool->resident += allocated;
}

/* A record is about to leave its segment. */
static void tell_watched(const struct chunk_segment *s, unsigned index, bool lowers_others)
{
	for (struct chunk_cursor *at = watched; at; at = at->next_watched) {
		if (at->segment != s)
			continue;
		if (at->index == index)
			at->gone = true;
		else if (lowers_others && at->index > index)
			at->index--;
	}
}

/* The walk goes on below a segment that is no more. */
static void tell_dropped(const struct chunk_segment *s)
{
	for (struct chunk_cursor *at = watched; at; at = at->next_watched) {
		if (at->segment != s)
			continue;
		at->segment = s->prev;
		at->index = s->prev ? s->prev->end : 0;
	}
}

static struct chunk_segment *append_segment(struct chunk_pool *pool)
{
	struct chunk_segment *s = store_get(&segments);

	if (!s)
		return NULL;
	segment_count++;
	s->first = s->end = 0;
	s->next = NULL;
	s->prev = pool->tail;
	if (pool->tail)
		pool->tail->next = s;
	else
		pool->head = s;
	pool->tail = s;
	return s;
}

static void drop_segment(struct chunk_pool *pool, struct chunk_segment *s)
{
	tell_dropped(s);
	if (s->prev)
		s->prev->next = s->next;
	else
		pool->head = s->next;
	if (s->next)
		s->next->prev = s->prev;
	else
		pool->tail = s->prev;
	segment_count--;
	slab_put(&segments, s);
}

int chunk_push(struct chunk_pool *pool, const struct chunk *c)
{
	struct chunk_segment *s = pool->tail;

	if (!s || s->end == SEGMENT_CHUNKS)
		s = append_segment(pool);
	if (!s)
		return -ENOMEM;
	put(s, s->end++, c);
	pool->chunks++;
	pool->bytes += c->size;
	pool->drained = 0;
	measure(pool, c, 1);
	return 0;
}

static void forget(struct chunk_pool *pool, const struct chunk *c)
{
	pool->chunks--;
	pool->bytes -= c->size;
	pool->removals++;
	if (pool->chunks == 0)
		pool->allocated = pool->resident = 0;
}

bool chunk_pop(struct chunk_pool *pool, struct chunk *c)
{
	struct chunk_segment *s = pool->head;

	if (!s)
		return false;
	get(s, s->first, c);
	measure(pool, c, -1);
	tell_watched(s, s->first++, false);
	forget(pool, c);
	if (s->first == s->end)
		drop_segment(pool, s);
	return true;
}

/* Going backwards nothing else fetches a segment before it is read, which was half the time of freeing. */
static void fetch_ahead(const struct chunk_segment *s)
{
	if (s->end != SEGMENT_CHUNKS || !s->prev)
		return;
	for (const char *line = (const char *)s->prev; line < (const char *)(s->prev + 1); line += 64)
		__builtin_prefetch(line);
}

static bool pop_newest(struct chunk_pool *pool, struct chunk *c)
{
	struct chunk_segment *s = pool->tail;

	if (!s)
		return false;
	fetch_ahead(s);
	get(s, s->end - 1u, c);
	measure(pool, c, -1);
	/* A cursor above has to come down, or it would meet what is pushed there next. */
	tell_watched(s, --s->end, true);
	forget(pool, c);
	if (s->first == s->end)
		drop_segment(pool, s);
	return true;
}

bool chunk_drain(struct chunk_pool *pool, struct chunk *c)
{
	if (pool->drained >= DRAIN_OLDEST)
		return pop_newest(pool, c);
	pool->drained++;
	return chunk_pop(pool, c);
}

void chunk_splice(struct chunk_pool *to, struct chunk_pool *from)
{
	if (!from->head)
		return;
	if (to->tail) {
		to->tail->next = from->head;
		from->head->prev = to->tail;
	} else {
		to->head = from->head;
	}
	to->tail = from->tail;
	to->chunks += from->chunks;
	to->bytes += from->bytes;
	to->allocated += from->allocated;
	to->resident += from->resident;
	to->drained = 0;
	*from = (struct chunk_pool){ .removals = from->removals + 1, .measured = from->measured };
}

bool chunk_prev(const struct chunk_pool *pool, struct chunk_cursor *at, struct chunk *c)
{
	if (!at->started) {
		at->started = true;
		at->segment = pool->tail;
		at->index = pool->tail ? pool->tail->end : 0;
	}
	at->gone = false;
	if (at->segment && at->index > at->segment->end)
		at->index = at->segment->end; /* the newest have left */
	if (at->segment && at->index <= at->segment->first) {
		at->segment = at->segment->prev;
		at->index = at->segment ? at->segment->end : 0;
	}
	if (!at->segment)
		return false;
	get(at->segment, --at->index, c);
	return true;
}

void chunk_take(struct chunk_pool *pool, struct chunk_cursor *at)
{
	struct chunk_segment *s = at->segment;
	unsigned i = at->index, behind = s->end - i - 1;
	struct chunk c;

	get(s, i, &c);
	measure(pool, &c, -1);
	tell_watched(s, i, true);
	forget(pool, &c);
	memmove(&s->addr[i], &s->addr[i + 1], behind * sizeof(s->addr[0]));
	memmove(&s->size_low[i], &s->size_low[i + 1], behind * sizeof(s->size_low[0]));
	memmove(&s->size_high[i], &s->size_high[i + 1], behind * sizeof(s->size_high[0]));
	s->end--;
	if (s->first == s->end) {
		at->segment = s->prev;
		at->index = s->prev ? s->prev->end : 0;
		drop_segment(pool, s);
	}
}

void chunk_watch(struct chunk_cursor *at)
{
	at->next_watched = watched;
	watched = at;
}

void chunk_unwatch(struct chunk_cursor *at)
{
	struct chunk_cursor **link = &watched;

	while (*link && *link != at)
		link = &(*link)->next_watched;
	if (*link)
		*link = at->next_watched;
}

void chunk_unwatch_all(void)
{
	watched = NULL;
}

void chunk_mark(struct chunk_cursor *at, unsigned flags)
{
	struct chunk c;

	get(at->segment, at->index, &c);
	c.flags = flags;
	put(at->segment, at->index, &c);
}

bool chunk_pick(const struct chunk_pool *pool, uint64_t random, struct chunk_cursor *at, struct chunk *c)
{
	uint64_t near = (uint64_t)PICK_SEGMENTS * SEGMENT_CHUNKS, skip;

	*at = (struct chunk_cursor){ .started = true, .segment = pool->tail };
	if (!pool->chunks)
		return false;
	skip = random % (pool->chunks < near ? pool->chunks : near);
	for (; skip >= (uint64_t)(at->segment->end - at->segment->first); at->segment = at->segment->prev)
		skip -= (uint64_t)(at->segment->end - at->segment->first);
	at->index = at->segment->end - (unsigned)skip;
	return chunk_prev(pool, at, c);
}

uint64_t chunk_record_bytes(void)
{
	return segment_count * sizeof(struct chunk_segment);
}
