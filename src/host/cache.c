/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks in the cache count as in use, and glibc gives back only what lies above the last block in use; of a heap of
   64 MiB that was followed by another one, only all of it. So one small block in the cache can hold 64 MiB, and there are
   many ways for one to get there: it was among the first to be freed, or is what was left at a full heap's end, or malloc
   has put it there beside one of the same size. No call empties the cache of a thread that goes on. But what is in it can
   be exchanged, since a block is freed past it when its size has no place left. */
#include "cache.h"

#include <stddef.h>
#include <stdint.h>

#include "base/sections.h"
#include "real.h"

/* It has places for blocks of 24, 40, … 1032 bytes: 7 for each, 16 in later versions; by a tunable any number. */
#define SIZES 64
#define PLACES_MAX 16

/* What is looked through at a time. */
#define LOOK_MAX (2 * PLACES_MAX + 2)

/* As much as all of them take: what takes the place of lost ones may lie above them. */
#define SLACK_BYTES ((size_t)256 << 10)

/* One more than there are places, since whether one is left is found out by losing a block to the heap. */
struct stock {
	void *blocks[PLACES_MAX + 1];
	unsigned count;
	unsigned cached; /* of them in the cache, where they come out first */
};

static LARGE_STATE struct stock stocks[SIZES];
static unsigned places; /* of each size */
static bool held;       /* rather than in the cache */
static _Thread_local bool begun;
static struct stock *at_work;     /* blocks of this one may be anywhere */
static uintptr_t lowest, highest; /* of all that the thread took at its beginning */

static size_t size_of(const struct stock *s)
{
	return 24 + 16 * (size_t)(s - stocks);
}

static bool is_low(const void *block)
{
	return (uintptr_t)block >= lowest && (uintptr_t)block <= highest;
}

/* Of a new thread, whose cache is empty: the last block that found a place is the first to come out. */
static unsigned count_places(void)
{
	const size_t size = size_of(&stocks[SIZES - 1]);
	void *blocks[PLACES_MAX], *first;
	unsigned at = PLACES_MAX;

	for (unsigned i = 0; i < PLACES_MAX; i++)
		blocks[i] = real.malloc(size);
	for (unsigned i = 0; i < PLACES_MAX; i++)
		real.free(blocks[i]);
	first = real.malloc(size);
	real.free(first);
	while (first && at && blocks[at - 1] != first)
		at--;
	return first ? at : 0;
}

/* What the stocks have from an earlier thread stays in them. */
static void begin(void)
{
	places = count_places();
	lowest = UINTPTR_MAX;
	highest = 0;
	for (struct stock *s = stocks; s < stocks + SIZES; s++) {
		s->cached = 0;
		while (s->count <= places && (s->blocks[s->count] = real.malloc(size_of(s))))
			s->count++;
		for (unsigned i = 0; i < s->count; i++) {
			uintptr_t at = (uintptr_t)s->blocks[i];

			lowest = at < lowest ? at : lowest;
			highest = at > highest ? at : highest;
		}
	}
	highest += SLACK_BYTES;
}

/* Where there were too few to fill the cache others may have come to lie above them. */
static void take_back(struct stock *s)
{
	void *others[PLACES_MAX], *block;
	unsigned count = 0;

	while (s->cached && count + s->cached <= places && (block = real.malloc(size_of(s))))
		if (is_low(block)) {
			s->blocks[s->count++] = block;
			s->cached--;
		} else {
			others[count++] = block;
		}
	s->cached = 0;
	while (count)
		real.free(others[--count]);
}

static void for_each(void (*work)(struct stock *s))
{
	for (at_work = stocks; at_work < stocks + SIZES; at_work++)
		work(at_work);
	at_work = NULL;
}

void cache_adopt(void)
{
	if (at_work)
		at_work->count = at_work->cached = 0;
	at_work = NULL;
}

void cache_prepare(void)
{
	if (begun && held)
		return;
	if (begun)
		for_each(take_back);
	else
		begin();
	begun = held = true;
}

/* Puts the low ones first and returns how many they are. */
static unsigned part(void **blocks, unsigned count)
{
	unsigned lows = 0;

	for (unsigned i = 0; i < count; i++) {
		void *block = blocks[i];

		if (!is_low(block))
			continue;
		blocks[i] = blocks[lows];
		blocks[lows++] = block;
	}
	return lows;
}

/* Of these blocks the cache, which is empty, gets low ones, with others below them where they are too few; one low one is
   held, and the rest goes to the heap. */
static void put(struct stock *s, void **blocks, unsigned count)
{
	unsigned lows = part(blocks, count), at = lows;

	s->cached = lows < places ? lows : places;
	s->count = 0;
	for (; at < count && at - lows < places - s->cached; at++)
		real.free(blocks[at]);
	for (unsigned i = 0; i < s->cached; i++)
		real.free(blocks[i]);
	for (; at < count; at++)
		real.free(blocks[at]);
	if (lows > s->cached)
		s->blocks[s->count++] = blocks[s->cached];
	for (unsigned i = s->cached + 1; i < lows; i++)
		real.free(blocks[i]);
}

/* Nothing is allocated: what malloc is asked for is in the cache each time. */
static void fill(struct stock *s)
{
	void *blocks[LOOK_MAX] = { NULL }, *back = NULL;
	unsigned in = 0, count = 0;

	/* A block that is freed comes back at once, unless there was no place for it. */
	for (; in < places && in < s->count; in++) {
		real.free(s->blocks[in]);
		back = real.malloc(size_of(s));
		if (back != s->blocks[in])
			break;
		real.free(back);
	}
	s->cached = in;
	if (in < places && in < s->count) {
		/* It was full, and that block is the heap's now. */
		for (blocks[count++] = back; count < places;)
			blocks[count++] = real.malloc(size_of(s));
		while (++in < s->count)
			blocks[count++] = s->blocks[in];
		put(s, blocks, count);
		return;
	}
	s->count -= in;
	if (s->count)
		s->blocks[0] = s->blocks[in];
}

void cache_fill(void)
{
	if (!held)
		return;
	held = false;
	for_each(fill);
}

static bool renewed;

/* There were others. malloc may put some into the cache meanwhile, so it is filled as ever. */
static void renew(struct stock *s)
{
	void *others[LOOK_MAX] = { NULL }, *block;
	unsigned count = 0;
	bool enough;

	while (s->count <= places && count < LOOK_MAX && (block = real.malloc(size_of(s))))
		if (is_low(block))
			s->blocks[s->count++] = block;
		else
			others[count++] = block;
	/* Where some will find a place they are to lie under the low ones. */
	enough = s->count > places;
	renewed |= count > 0;
	if (enough)
		fill(s);
	while (count)
		real.free(others[--count]);
	if (!enough)
		fill(s);
	renewed |= s->cached + s->count <= places;
}

bool cache_renew(void)
{
	if (!begun || held || !places)
		return false;
	renewed = false;
	for_each(renew);
	return renewed;
}
