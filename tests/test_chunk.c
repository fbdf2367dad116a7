/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of chunks: their order, walks that take from the middle, and what a record costs.
   Addresses and sizes are made up; nothing here is allocated but records. */
#include "inject/chunk.h"

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
	uint64_t next = SEVERAL_SEGMENTS, before = chunk_record_bytes();

	push(&pool, 1, SEVERAL_SEGMENTS);
	while (chunk_prev(&pool, &at, &c)) {
		check_chunk(&c, next--);
		chunk_take(&pool, &at);
	}
	ck_assert_uint_eq(next, 0);
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
	const uint64_t oldest = 4096, count = 10000;
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

UNIT_SUITE(chunk, pop_takes_the_oldest_first, drain_takes_some_of_the_oldest_then_the_newest, walk_goes_from_newest_to_oldest,
	   taking_from_the_middle_leaves_the_others_in_order, taking_all_in_a_walk_empties_the_pool,
	   random_takes_and_pops_agree_with_a_plain_list,
	   splice_appends_in_order_and_makes_cursors_stale, sizes_above_4_gib_are_exact,
	   record_costs_at_most_16_bytes)
