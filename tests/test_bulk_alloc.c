/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_alloc and mt.mem_rnd_alloc: exactly the total, in pieces of the right size. */
#include <string.h>

#include "host/real.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/unit.h"

static void allocate(struct unit_job *u, uint64_t min, uint64_t max, uint64_t total, uint64_t slice)
{
	bulk_alloc(unit_job(u), min, max, total);
	unit_run(u, slice);
}

START_TEST(one_chunk_of_any_size_even_nothing)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 3 << 20 };
	struct unit_job u;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct chunk_cursor at = { 0 };
		struct chunk c;

		allocate(&u, sizes[i], sizes[i], sizes[i], 0);
		ck_assert_uint_eq(u.job.chunks, 1);
		ck_assert_uint_eq(u.job.bytes, sizes[i]);
		ck_assert_uint_eq(u.job.errors, 0);
		ck_assert(chunk_prev(&hand_pool, &at, &c));
		ck_assert_uint_eq(c.size, sizes[i]);
	}
	ck_assert_uint_eq(hand_pool.chunks, COUNT(sizes));
}
END_TEST

static void check_pieces(uint64_t min, uint64_t max, uint64_t total)
{
	struct chunk_cursor at = { 0 };
	struct chunk c;
	uint64_t sum = 0;
	bool last = true;

	ck_assert_uint_eq(hand_pool.bytes, total);
	while (chunk_prev(&hand_pool, &at, &c)) {
		ck_assert_uint_le(c.size, max);
		ck_assert(last || c.size >= min);
		sum += c.size;
		last = false;
	}
	ck_assert_uint_eq(sum, total);
}

START_TEST(random_pieces_sum_to_exactly_the_total)
{
	static const struct {
		uint64_t min, max, total;
	} plans[] = { { 1, 64, 100000 },  { 1, 1, 777 },      { 0, 3, 1000 },	{ 100, 100, 1001 },
		      { 1000, 1000, 1000 }, { 7, 1000, 54321 }, { 0, 100, 100 } };
	struct unit_job u;

	for (size_t i = 0; i < 2 * COUNT(plans); i++) {
		const uint64_t min = plans[i / 2].min, max = plans[i / 2].max;

		allocate(&u, min, max, plans[i / 2].total, i % 2 ? 0 : UINT32_MAX);
		check_pieces(min, max, plans[i / 2].total);
		ck_assert_uint_eq(u.job.bytes, plans[i / 2].total);
		ck_assert_uint_eq(u.job.chunks, hand_pool.chunks);
		hand_free();
	}
}
END_TEST

START_TEST(both_bounds_are_met)
{
	struct chunk_cursor at = { 0 };
	struct chunk c;
	unsigned seen[4] = { 0 };
	struct unit_job u;

	allocate(&u, 1, 3, 3000, UINT32_MAX);
	while (chunk_prev(&hand_pool, &at, &c))
		seen[c.size]++;
	ck_assert_uint_gt(seen[1], 300);
	ck_assert_uint_gt(seen[2], 300);
	ck_assert_uint_gt(seen[3], 300);
}
END_TEST

static uint64_t fingerprint(void)
{
	struct chunk_cursor at = { 0 };
	struct chunk c;
	uint64_t sum = 0;

	while (chunk_prev(&hand_pool, &at, &c))
		sum = sum * 31 + c.size;
	return sum;
}

START_TEST(same_seed_gives_same_sizes)
{
	uint64_t prints[3];
	struct unit_job u;

	for (size_t i = 0; i < COUNT(prints); i++) {
		atomic_store(&sched_seed, i < 2 ? 7 : 8);
		bulk_reseed();
		allocate(&u, 1, 1000, 100000, 0);
		prints[i] = fingerprint();
		hand_free();
	}
	ck_assert_uint_eq(prints[0], prints[1]);
	ck_assert_uint_ne(prints[0], prints[2]);
}
END_TEST

START_TEST(budgets_refusal_ends_it_and_what_succeeded_stays)
{
	uint64_t before = budget_refusals();
	struct unit_job u;

	atomic_store(&budget_max_bytes, 95);
	allocate(&u, 10, 10, 1000, 0);
	ck_assert_uint_eq(budget_refusals() - before, 1);
	ck_assert_uint_eq(u.job.chunks, 9);
	ck_assert_uint_eq(u.job.bytes, 90);
	ck_assert_uint_eq(u.job.errors, 1);
	ck_assert_str_eq(u.job.why, "10 bytes asked, 90 held, max_bytes is 95");
	ck_assert_uint_eq(hand_pool.chunks, 9);
}
END_TEST

static void *(*allocator)(size_t);
static unsigned calls;

static void *refuse_every_third(size_t size)
{
	return ++calls % 3 ? allocator(size) : NULL;
}

static void *refuse(size_t size)
{
	(void)size;
	calls++;
	return NULL;
}

START_TEST(failures_are_counted_and_the_rest_goes_on)
{
	struct unit_job u;

	allocator = real.malloc;
	calls = 0;
	real.malloc = refuse_every_third;
	allocate(&u, 10, 10, 3000, 0);
	real.malloc = allocator;
	ck_assert_uint_eq(calls, 300);
	ck_assert_uint_eq(u.job.errors, 100);
	ck_assert_uint_eq(u.job.bytes, 2000);
	ck_assert_str_eq(u.job.why, "");
}
END_TEST

START_TEST(heap_that_refuses_all_is_given_up)
{
	struct unit_job u;

	allocator = real.malloc;
	calls = 0;
	real.malloc = refuse;
	allocate(&u, 1, 1, UINT64_C(1) << 40, 0);
	real.malloc = allocator;
	ck_assert_uint_eq(calls, 1000);
	ck_assert_uint_eq(u.job.errors, 1000);
	ck_assert_uint_eq(u.job.bytes, 0);
}
END_TEST

START_TEST(what_is_left_of_a_limit_is_filled_to_the_last_small_one)
{
	struct unit_job u;

	atomic_store(&budget_max_bytes, 9995);
	allocate(&u, 10, 10, 100000, 0);
	ck_assert_uint_eq(u.job.bytes, 9990);
	ck_assert_uint_eq(u.job.errors, 1);
	ck_assert_uint_eq(budget_used(), 9990);
}
END_TEST

START_TEST(small_ones_have_the_pattern_too)
{
	struct chunk_cursor at = { 0 };
	struct unit_job u;
	struct chunk c;

	atomic_store(&content_check, 1);
	allocate(&u, 1, 64, 20000, 0);
	for (int i = 0; i < 500; i++)
		ck_assert(chunk_prev(&hand_pool, &at, &c));
	((unsigned char *)c.addr)[c.size - 1] ^= 1;
	bulk_free_all(unit_job(&u), false);
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.bytes, 20000);
	ck_assert_uint_eq(u.job.damaged, 1);
}
END_TEST

START_TEST(cancelled_allocation_keeps_what_was_done)
{
	static const struct {
		uint64_t size, at_once;
	} cases[] = { { 10, TRANSIT_SMALL_AT_ONCE }, { TRANSIT_SMALL_BYTES + 1, 1 } };
	struct slice none = UNIT_NO_TIME;
	struct unit_job u;

	for (size_t n = 0; n < COUNT(cases); n++) {
		bulk_alloc(unit_job(&u), cases[n].size, cases[n].size, 1000 * cases[n].size);
		for (int i = 0; i < 20; i++)
			job_run(&none);
		ck_assert(!u.done);
		u.job.cancelled = true;
		unit_run(&u, 0);
		ck_assert_uint_gt(u.job.chunks, 0);
		ck_assert_uint_le(u.job.chunks, 20 * cases[n].at_once);
		ck_assert_uint_eq(hand_pool.bytes, u.job.bytes);
		ck_assert_uint_eq(budget_used(), u.job.bytes);
		hand_free();
	}
}
END_TEST

START_TEST(small_chunk_is_never_in_hand_between_two_slices)
{
	struct slice none = UNIT_NO_TIME;
	struct unit_job u;

	bulk_alloc(unit_job(&u), 1, 1000, 100000);
	for (uint64_t turns = 1; !u.done; turns++) {
		job_run(&none);
		ck_assert_int_eq(u.job.moving.stage, TRANSIT_IDLE);
		ck_assert_uint_eq(hand_pool.chunks, u.job.chunks);
		ck_assert_uint_ge(u.job.chunks + 1, turns);
	}
}
END_TEST

START_TEST(cancelled_large_chunk_goes_back)
{
	struct slice none = UNIT_NO_TIME;
	struct unit_job u;

	bulk_alloc(unit_job(&u), 64 << 20, 64 << 20, 64 << 20);
	job_run(&none);
	job_run(&none);
	ck_assert_uint_eq(budget_used(), 64 << 20);
	u.job.cancelled = true;
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.chunks, 0);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

UNIT_SUITE(bulk_alloc, one_chunk_of_any_size_even_nothing, random_pieces_sum_to_exactly_the_total,
	   both_bounds_are_met, same_seed_gives_same_sizes,
	   budgets_refusal_ends_it_and_what_succeeded_stays, failures_are_counted_and_the_rest_goes_on,
	   heap_that_refuses_all_is_given_up, what_is_left_of_a_limit_is_filled_to_the_last_small_one,
	   small_ones_have_the_pattern_too, cancelled_allocation_keeps_what_was_done,
	   small_chunk_is_never_in_hand_between_two_slices,
	   cancelled_large_chunk_goes_back)
