/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of chunks: their order, walks that take from the middle, and what a record costs.
   Addresses and sizes are made up; nothing here is allocated but records. */
#include "inject/chunk.h"

#include <string.h>
#include <unistd.h>

#include "host/real.h"
#include "tests/unit.h"

#define SEVERAL_SEGMENTS 100

static struct chunk made_up(uint64_t number)
{
	return (struct chunk){ .addr = (void *)(uintptr_t)(number * 16),
			       .size = number,
			       .flags = CHUNK_MAPPED | (number % 2 ? CHUNK_PATTERN : 0) };
}

static void push(struct chunk_pool *pool, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++) {
		struct chunk c = made_up(n);

		ck_assert_int_eq(chunk_push(pool, &c), 0);
	}
}

static void check_chunk(const struct chunk *c, uint64_t number)
{
	ck_assert_uint_eq((uintptr_t)c->addr, number * 16);
	ck_assert_uint_eq(c->size, number);
	ck_assert_uint_eq(c->flags, CHUNK_MAPPED | (number % 2 ? CHUNK_PATTERN : 0));
}

/* Pops everything, which has to be `numbers` from oldest to newest. */
static void check_and_empty(struct chunk_pool *pool, const uint64_t *numbers, size_t count)
{
	struct chunk c;
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += numbers[i];
	ck_assert_uint_eq(pool->chunks, count);
	ck_assert_uint_eq(pool->bytes, bytes);
	for (size_t i = 0; i < count; i++) {
		ck_assert(chunk_pop(pool, &c));
		check_chunk(&c, numbers[i]);
	}
	ck_assert(!chunk_pop(pool, &c));
	ck_assert_uint_eq(pool->bytes, 0);
}

START_TEST(pop_takes_the_oldest_first)
{
	struct chunk_pool pool = { 0 };
	struct chunk c;

	ck_assert(!chunk_pop(&pool, &c));
	push(&pool, 1, SEVERAL_SEGMENTS);
	for (uint64_t n = 1; n <= 50; n++) {
		ck_assert(chunk_pop(&pool, &c));
		check_chunk(&c, n);
		push(&pool, SEVERAL_SEGMENTS + n, SEVERAL_SEGMENTS + n);
	}
	ck_assert_uint_eq(pool.chunks, SEVERAL_SEGMENTS);
	for (uint64_t n = 51; n <= SEVERAL_SEGMENTS + 50; n++) {
		ck_assert(chunk_pop(&pool, &c));
		check_chunk(&c, n);
	}
	ck_assert_uint_eq(pool.chunks, 0);
	ck_assert_uint_eq(pool.bytes, 0);
	ck_assert_uint_eq(pool.removals, SEVERAL_SEGMENTS + 50);
}
END_TEST

START_TEST(walk_goes_from_newest_to_oldest)
{
	struct chunk_pool pool = { 0 };
	struct chunk_cursor at = { 0 };
	struct chunk c;

	ck_assert(!chunk_prev(&pool, &at, &c));
	push(&pool, 1, SEVERAL_SEGMENTS);
	at = (struct chunk_cursor){ 0 };
	for (uint64_t n = SEVERAL_SEGMENTS; n; n--) {
		ck_assert(chunk_prev(&pool, &at, &c));
		check_chunk(&c, n);
		push(&pool, 1000 + n, 1000 + n); /* pushed meanwhile: not met */
	}
	ck_assert(!chunk_prev(&pool, &at, &c));
	ck_assert_uint_eq(pool.chunks, 2 * SEVERAL_SEGMENTS);
	while (chunk_pop(&pool, &c))
		continue;
}
END_TEST

START_TEST(taking_from_the_middle_leaves_the_others_in_order)
{
	static const uint64_t left[] = { 1, 2, 4, 5 };
	struct chunk_pool pool = { 0 };
	struct chunk_cursor at = { 0 };
	struct chunk c;

	push(&pool, 1, 6);
	while (chunk_prev(&pool, &at, &c))
		if (c.size % 3 == 0)
			chunk_take(&pool, &at);
	ck_assert_uint_eq(pool.removals, 2);
	check_and_empty(&pool, left, COUNT(left));
}
END_TEST

START_TEST(taking_all_in_a_walk_empties_the_pool)
{
	struct chunk_pool pool = { 0 };
	struct chunk_cursor at = { 0 };
	struct chunk c;
	uint64_t left = SEVERAL_SEGMENTS, before = chunk_record_bytes();

	push(&pool, 1, SEVERAL_SEGMENTS);
	while (chunk_prev(&pool, &at, &c)) {
		check_chunk(&c, left--);
		chunk_take(&pool, &at);
	}
	ck_assert_uint_eq(left, 0);
	check_and_empty(&pool, NULL, 0);
	ck_assert_uint_eq(chunk_record_bytes(), before);
	push(&pool, 7, 7); /* and it can be used again */
	check_and_empty(&pool, &(uint64_t){ 7 }, 1);
}
END_TEST

START_TEST(random_takes_and_pops_agree_with_a_plain_list)
{
	struct prng random = unit_random("random_takes_and_pops_agree_with_a_plain_list");
	uint64_t model[2000], count = 0, number = 0;
	struct chunk_pool pool = { 0 };
	struct chunk c;

	for (int round = 0; round < 300; round++) {
		struct chunk_cursor at = { 0 };
		uint64_t here;

		for (uint64_t n = prng_range(&random, 0, 60); n && count < COUNT(model); n--) {
			model[count++] = ++number;
			push(&pool, number, number);
		}
		for (uint64_t n = prng_range(&random, 0, 20); n && count; n--) {
			ck_assert(chunk_pop(&pool, &c));
			check_chunk(&c, model[0]);
			count--;
			for (uint64_t i = 0; i < count; i++)
				model[i] = model[i + 1];
		}
		here = count;
		while (chunk_prev(&pool, &at, &c)) {
			check_chunk(&c, model[--here]);
			if (prng_range(&random, 0, 2))
				continue;
			chunk_take(&pool, &at);
			count--;
			for (uint64_t i = here; i < count; i++)
				model[i] = model[i + 1];
		}
		ck_assert_uint_eq(here, 0);
		ck_assert_uint_eq(pool.chunks, count);
	}
	check_and_empty(&pool, model, count);
}
END_TEST

START_TEST(splice_appends_in_order_and_makes_cursors_stale)
{
	struct chunk_pool to = { 0 }, from = { 0 }, none = { 0 };
	struct chunk c;

	push(&from, 1, 50);
	chunk_splice(&to, &from);
	ck_assert_uint_eq(from.chunks, 0);
	ck_assert_uint_eq(from.bytes, 0);
	ck_assert_uint_eq(from.removals, 1);
	ck_assert(!chunk_pop(&from, &c));
	push(&from, 51, SEVERAL_SEGMENTS);
	chunk_splice(&to, &from);
	chunk_splice(&to, &none);
	ck_assert_uint_eq(none.removals, 0);
	push(&to, SEVERAL_SEGMENTS + 1, SEVERAL_SEGMENTS + 9);
	ck_assert_uint_eq(to.chunks, SEVERAL_SEGMENTS + 9);
	for (uint64_t n = 1; n <= SEVERAL_SEGMENTS + 9; n++) {
		ck_assert(chunk_pop(&to, &c));
		check_chunk(&c, n);
	}
	ck_assert_uint_eq(to.bytes, 0);
}
END_TEST

START_TEST(sizes_above_4_gib_are_exact)
{
	static const uint64_t sizes[] = { 0,
					  1,
					  UINT32_MAX,
					  UINT64_C(1) << 32,
					  (UINT64_C(1) << 32) + 1,
					  UINT64_C(0xabc12345678),
					  CHUNK_BYTES_MAX };
	struct chunk_pool pool = { 0 };
	struct chunk c;
	uint64_t bytes = 0;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		c = (struct chunk){ .addr = &pool, .size = sizes[i], .flags = CHUNK_MAPPED | CHUNK_PATTERN };
		ck_assert_int_eq(chunk_push(&pool, &c), 0);
		bytes += sizes[i];
	}
	ck_assert_uint_eq(pool.bytes, bytes);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		ck_assert(chunk_pop(&pool, &c));
		ck_assert_uint_eq(c.size, sizes[i]);
		ck_assert_uint_eq(c.flags, CHUNK_MAPPED | CHUNK_PATTERN);
		ck_assert_ptr_eq(c.addr, &pool);
	}
	ck_assert_uint_eq(pool.bytes, 0);
}
END_TEST

START_TEST(record_costs_at_most_16_bytes)
{
	const uint64_t count = 100000;
	struct chunk_pool pool = { 0 };
	struct chunk c;

	push(&pool, 1, count);
	ck_assert_uint_ge(chunk_record_bytes(), 14 * count);
	ck_assert_uint_le(chunk_record_bytes(), 16 * count);
	while (chunk_pop(&pool, &c))
		continue;
	ck_assert_uint_eq(chunk_record_bytes(), 0);
}
END_TEST

START_TEST(drain_takes_some_of_the_oldest_then_the_newest)
{
	const uint64_t oldest = 2048, count = 10000;
	struct chunk_pool pool = { 0 };
	struct chunk c;

	push(&pool, 1, count);
	for (uint64_t n = 1; n <= oldest; n++) {
		ck_assert(chunk_drain(&pool, &c));
		check_chunk(&c, n);
	}
	for (uint64_t n = count; n > oldest + 1; n--) {
		ck_assert(chunk_drain(&pool, &c));
		check_chunk(&c, n);
	}
	push(&pool, 7, 7); /* begins anew */
	ck_assert(chunk_drain(&pool, &c));
	check_chunk(&c, oldest + 1);
	ck_assert(chunk_drain(&pool, &c));
	ck_assert(!chunk_drain(&pool, &c));
	ck_assert_uint_eq(pool.bytes, 0);
	ck_assert_uint_eq(chunk_record_bytes(), 0);
}
END_TEST

/* A model of watched walks: the chunks that one of them has still to meet are those older than the
   last it met, whatever has left. */
#define WALKS 3

struct walk {
	struct chunk_cursor at;
	uint64_t below; /* it meets only numbers below this one */
	uint64_t met;   /* the number that it has met last; 0: none */
};

static void begin_walk(struct walk *w, const struct chunk_pool *pool, uint64_t newest)
{
	struct chunk c;

	chunk_unwatch(&w->at);
	*w = (struct walk){ .below = newest + 1 };
	chunk_watch(&w->at);
	if (!chunk_prev(pool, &w->at, &c)) { /* what it may meet is settled by its first step */
		w->below = 0;
		return;
	}
	w->below = w->met = c.size;
}

/* The place in the model of the newest that is older than `below`; count where there is none. */
static uint64_t place_below(const uint64_t *model, uint64_t count, uint64_t below)
{
	for (uint64_t i = count; i-- > 0;)
		if (model[i] < below)
			return i;
	return count;
}

static void step_walk(struct walk *w, const struct chunk_pool *pool, const uint64_t *model, uint64_t count)
{
	uint64_t place = place_below(model, count, w->below);
	struct chunk c;

	if (chunk_prev(pool, &w->at, &c)) {
		ck_assert_uint_lt(place, count);
		check_chunk(&c, model[place]);
		w->below = w->met = c.size;
		ck_assert(!w->at.gone);
	} else {
		ck_assert_uint_eq(place, count);
		w->below = w->met = 0;
	}
}

START_TEST(watched_walks_meet_what_is_left_and_nothing_new)
{
	struct prng random = unit_random("watched_walks_meet_what_is_left_and_nothing_new");
	uint64_t model[400], count = 0, number = 0;
	struct walk walks[WALKS] = { 0 };
	struct chunk_pool pool = { 0 };
	struct chunk c;

	for (int round = 0; round < 100000; round++) {
		struct walk *w = &walks[prng_range(&random, 0, WALKS - 1)];
		uint64_t what = prng_range(&random, 0, 99), place, taken;

		if (what < 2) {
			begin_walk(w, &pool, number);
		} else if (what < 40) {
			if (w->at.started)
				step_walk(w, &pool, model, count);
		} else if (what < 70) {
			for (uint64_t n = prng_range(&random, 1, 3); n && count < COUNT(model); n--) {
				model[count++] = ++number;
				push(&pool, number, number);
			}
		} else if (count) {
			/* Now and then nearly all go at once. */
			for (uint64_t n = prng_range(&random, 0, 200) ? 2 : count; n && count; n--) {
				place = place_below(model, count, unit_take_one(&pool, &random).size + 1);
				taken = model[place];
				memmove(&model[place], &model[place + 1],
					(--count - place) * sizeof(model[0]));
				for (size_t i = 0; i < WALKS; i++) {
					if (walks[i].met != taken)
						continue;
					ck_assert(walks[i].at.gone);
					walks[i].met = 0;
				}
			}
		}
		for (size_t i = 0; i < WALKS; i++)
			ck_assert(!walks[i].met || !walks[i].at.gone);
		ck_assert_uint_eq(pool.chunks, count);
	}
	for (size_t i = 0; i < WALKS; i++)
		chunk_unwatch(&walks[i].at);
	while (chunk_pop(&pool, &c))
		continue;
}
END_TEST

START_TEST(mark_stores_the_flags_of_the_chunk_met_last)
{
	struct chunk_pool pool = { 0 };
	struct chunk_cursor at = { 0 };
	struct chunk c;

	push(&pool, 1, 50);
	for (int i = 0; i < 20; i++)
		ck_assert(chunk_prev(&pool, &at, &c));
	chunk_mark(&at, CHUNK_MAPPED | CHUNK_DAMAGED);
	for (uint64_t n = 1; n <= 50; n++) {
		ck_assert(chunk_pop(&pool, &c));
		if (n != 31)
			check_chunk(&c, n);
		else
			ck_assert_uint_eq(c.flags, CHUNK_MAPPED | CHUNK_DAMAGED);
	}
}
END_TEST

START_TEST(pick_reaches_every_chunk_and_each_as_often)
{
	const uint64_t picks = 400;
	struct chunk_pool pool = { 0 };
	unsigned hits[SEVERAL_SEGMENTS + 1] = { 0 };
	struct chunk_cursor at;
	struct chunk c;

	ck_assert(!chunk_pick(&pool, 7, &at, &c));
	push(&pool, 1, SEVERAL_SEGMENTS);
	for (uint64_t n = 1; n <= 10; n++)
		ck_assert(chunk_pop(&pool, &c));
	for (uint64_t random = 0; random < picks * pool.chunks; random++) {
		ck_assert(chunk_pick(&pool, random, &at, &c));
		check_chunk(&c, c.size);
		hits[c.size]++;
	}
	for (uint64_t n = 11; n <= SEVERAL_SEGMENTS; n++)
		ck_assert_uint_eq(hits[n], picks);
	while (pool.chunks) { /* and the cursor is at the chunk */
		ck_assert(chunk_pick(&pool, pool.chunks * 7 / 3, &at, &c));
		ck_assert_uint_gt(hits[c.size], 0);
		hits[c.size] = 0;
		chunk_take(&pool, &at);
	}
	ck_assert(!chunk_pick(&pool, 0, &at, &c));
}
END_TEST

START_TEST(pick_looks_at_some_thousand_of_the_newest)
{
	const uint64_t count = 100000;
	struct chunk_pool pool = { 0 };
	uint64_t oldest = count;
	struct chunk_cursor at;
	struct chunk c;

	push(&pool, 1, count);
	for (uint64_t random = 0; random < 10000; random++) {
		ck_assert(chunk_pick(&pool, random, &at, &c));
		oldest = c.size < oldest ? c.size : oldest;
	}
	ck_assert_uint_eq(oldest, count - 256 * 35 + 1);
	while (chunk_pop(&pool, &c))
		continue;
}
END_TEST

/* Mapped chunks count in whole pages; what was not stored to is not resident. */
START_TEST(pool_tells_requested_allocated_and_resident_apart)
{
	const struct chunk mapped = { .addr = (void *)16, .size = 5000, .flags = CHUNK_MAPPED | CHUNK_TOUCHED };
	struct chunk_pool pool = { .measured = true };
	uint64_t page = (uint64_t)getpagesize(), pages = (5000 + page - 1) / page * page;
	struct chunk heap = { .addr = real.malloc(1001), .size = 1001 }, c;
	uint64_t usable = real.malloc_usable_size(heap.addr);

	ck_assert_int_eq(chunk_push(&pool, &heap), 0);
	ck_assert_uint_eq(pool.bytes, 1001);
	ck_assert_uint_eq(pool.allocated, usable);
	ck_assert_uint_eq(pool.resident, 0);
	ck_assert_int_eq(chunk_push(&pool, &mapped), 0);
	ck_assert_uint_eq(pool.bytes, 6001);
	ck_assert_uint_eq(pool.allocated, usable + pages);
	ck_assert_uint_eq(pool.resident, pages);
	ck_assert(chunk_pop(&pool, &c));
	real.free(c.addr);
	ck_assert_uint_eq(pool.allocated, pages);
	ck_assert_uint_eq(pool.resident, pages);
	ck_assert(chunk_pop(&pool, &c));
	ck_assert_uint_eq(pool.allocated, 0);
	ck_assert_uint_eq(pool.resident, 0);
}
END_TEST

UNIT_SUITE(chunk, pop_takes_the_oldest_first, drain_takes_some_of_the_oldest_then_the_newest, walk_goes_from_newest_to_oldest,
	   taking_from_the_middle_leaves_the_others_in_order, taking_all_in_a_walk_empties_the_pool,
	   random_takes_and_pops_agree_with_a_plain_list,
	   splice_appends_in_order_and_makes_cursors_stale, sizes_above_4_gib_are_exact,
	   record_costs_at_most_16_bytes, watched_walks_meet_what_is_left_and_nothing_new,
	   mark_stores_the_flags_of_the_chunk_met_last, pick_reaches_every_chunk_and_each_as_often,
	   pick_looks_at_some_thousand_of_the_newest, pool_tells_requested_allocated_and_resident_apart)
