/* SPDX-License-Identifier: BSD-2-Clause */
/* One chunk being resized: by itself, as a tick of a test, and by mt.mem_realloc's job. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "host/real.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/test.h"
#include "inject/transit.h"
#include "tests/unit.h"

#define PART ((size_t)256 << 10)

static struct chunk come_in(size_t size)
{
	struct transit t = { 0 };
	struct slice slice = UNIT_MUCH_TIME;

	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = size, .kind = KIND_HEAP }, NULL), 0);
	ck_assert(transit_in_step(&t, &slice));
	return t.chunk;
}

struct outcome {
	uint64_t failed, damaged;
	unsigned steps;
};

static struct outcome resize(struct chunk *c, size_t size, struct slice slice)
{
	struct outcome o = { 0 };
	struct transit t = { 0 };

	ck_assert_int_eq(transit_resize(&t, c, size, NULL), 0);
	while (!transit_resize_step(&t, &slice, &o.failed, &o.damaged))
		ck_assert_uint_lt(++o.steps, 1000);
	ck_assert_int_eq(t.stage, TRANSIT_IDLE);
	*c = t.chunk;
	ck_assert_uint_eq(budget_used(), c->size);
	return o;
}

/* Returns how often it was found damaged on its way out. */
static uint64_t go_out(const struct chunk *c)
{
	struct slice slice = UNIT_MUCH_TIME;
	struct transit t = { 0 };
	uint64_t damaged = 0;

	transit_out(&t, c, false);
	ck_assert(transit_out_step(&t, &slice, &damaged));
	ck_assert_uint_eq(budget_used(), 0);
	return damaged;
}

static const size_t sizes[] = { 1, 7, 8, 9, 4097, PART - 1, PART, PART + 1, 3 * PART + 5, 2 << 20 };

START_TEST(pattern_survives_growing_and_shrinking)
{
	const struct slice slices[] = { UNIT_MUCH_TIME, UNIT_NO_TIME };

	atomic_store(&content_check, 1);
	for (size_t from = 0; from < COUNT(sizes); from++)
		for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
			struct chunk c = come_in(sizes[from]);
			struct outcome o = resize(&c, sizes[i / 2], slices[i % 2]);

			ck_assert_uint_eq(o.failed + o.damaged, 0);
			ck_assert_uint_eq(c.size, sizes[i / 2]);
			ck_assert_uint_eq(c.flags, CHUNK_TOUCHED | CHUNK_PATTERN);
			ck_assert_uint_eq(content_verify(c.addr, 0, c.size), SIZE_MAX);
			ck_assert_uint_eq(go_out(&c), 0);
		}
}
END_TEST

START_TEST(large_resize_takes_a_part_in_each_slice)
{
	struct slice none = UNIT_NO_TIME;
	struct chunk c;

	atomic_store(&content_check, 1);
	c = come_in(8 * PART);
	ck_assert_uint_ge(resize(&c, 16 * PART, none).steps, 7 + 7); /* verified, then filled */
	go_out(&c);
}
END_TEST

START_TEST(without_a_pattern_the_new_part_is_touched)
{
	struct chunk c = come_in(10);
	struct chunk untouched;

	resize(&c, 8 << 20, UNIT_MUCH_TIME);
	ck_assert_uint_eq(c.flags, CHUNK_TOUCHED);
	go_out(&c);
	atomic_store(&content_touch, 0);
	untouched = come_in(10);
	atomic_store(&content_touch, 1); /* is read once for each chunk */
	resize(&untouched, 8 << 20, UNIT_MUCH_TIME);
	ck_assert_uint_eq(untouched.flags, 0);
	go_out(&untouched);
}
END_TEST

START_TEST(damage_before_is_counted_once_and_mended)
{
	static const size_t to[] = { 100, 2000, 1000 };

	atomic_store(&content_check, 1);
	for (size_t i = 0; i < COUNT(to); i++) {
		uint64_t before = transit_corruptions();
		struct chunk c = come_in(1000);

		((char *)c.addr)[3] ^= 1;
		((char *)c.addr)[999] ^= 1;
		ck_assert_uint_eq(resize(&c, to[i], UNIT_NO_TIME).damaged, 1);
		ck_assert_uint_eq(transit_corruptions(), before + 1);
		ck_assert_uint_eq(c.flags, CHUNK_TOUCHED | CHUNK_PATTERN);
		ck_assert_uint_eq(content_verify(c.addr, 0, c.size), SIZE_MAX);
		ck_assert_uint_eq(resize(&c, 1000, UNIT_NO_TIME).damaged, 0);
		ck_assert_uint_eq(go_out(&c), 0);
	}
}
END_TEST

static void *refuse(void *at, size_t size)
{
	(void)at;
	(void)size;
	return NULL;
}

START_TEST(what_the_allocator_refuses_stays_as_it_was)
{
	static const size_t to[] = { 10, 3 * PART };
	void *(*allocator)(void *, size_t) = real.realloc;

	atomic_store(&content_check, 1);
	for (size_t i = 0; i < 2 * COUNT(to); i++) {
		struct chunk c = come_in(PART + 1), before = c;
		bool damaged = i % 2;

		((char *)c.addr)[8] ^= damaged;
		real.realloc = refuse;
		ck_assert_uint_eq(resize(&c, to[i / 2], UNIT_NO_TIME).failed, 1);
		real.realloc = allocator;
		ck_assert_ptr_eq(c.addr, before.addr);
		ck_assert_uint_eq(c.size, before.size);
		ck_assert_uint_eq(c.flags, before.flags | (damaged ? CHUNK_DAMAGED : 0));
		ck_assert_uint_eq(go_out(&c), 0); /* has been counted */
	}
}
END_TEST

START_TEST(what_the_budget_refuses_is_not_begun)
{
	struct chunk c = come_in(1000);
	struct transit t = { 0 };
	char why[BUDGET_WHY_MAX] = "";

	atomic_store(&budget_max_bytes, 1500);
	ck_assert_int_eq(transit_resize(&t, &c, 1501, why), -EDQUOT);
	ck_assert_str_eq(why, "501 bytes asked, 1000 held, max_bytes is 1500");
	ck_assert_int_eq(transit_resize(&t, &c, CHUNK_BYTES_MAX + 1, NULL), -ENOMEM);
	ck_assert_int_eq(t.stage, TRANSIT_IDLE);
	ck_assert_uint_eq(budget_used(), 1000);
	ck_assert_uint_eq(resize(&c, 1500, UNIT_NO_TIME).failed, 0);
	atomic_store(&budget_max_bytes, 100); /* shrinking asks nobody */
	ck_assert_uint_eq(resize(&c, 1400, UNIT_NO_TIME).failed, 0);
	go_out(&c);
}
END_TEST

static struct job mem_realloc(uint64_t size)
{
	struct unit_job u;

	bulk_resize(unit_job(&u), size);
	unit_run(&u, 0);
	ck_assert_uint_eq(budget_used(), hand_pool.bytes);
	return u.job;
}

START_TEST(job_resizes_one_chunk_of_the_hand_pool)
{
	struct job j = mem_realloc(10);

	ck_assert_uint_eq(j.chunks, 0); /* there was none */
	ck_assert_uint_eq(j.errors, 1);
	for (int i = 0; i < 5; i++)
		unit_hold(100);
	j = mem_realloc(1000000);
	ck_assert_uint_eq(j.chunks, 1);
	ck_assert_uint_eq(j.bytes, 100);
	ck_assert_uint_eq(j.errors, 0);
	ck_assert_uint_eq(hand_pool.chunks, 5);
	ck_assert_uint_eq(hand_pool.bytes, 400 + 1000000);
}
END_TEST

START_TEST(refused_job_tells_that_there_was_a_chunk)
{
	void *(*allocator)(void *, size_t) = real.realloc;
	struct job j;

	unit_hold(100);
	real.realloc = refuse;
	j = mem_realloc(200);
	real.realloc = allocator;
	ck_assert_uint_eq(j.chunks, 1);
	ck_assert_uint_eq(j.errors, 1);
	j = mem_realloc(CHUNK_BYTES_MAX + 1);
	ck_assert_uint_eq(j.chunks, 1);
	ck_assert_uint_eq(j.errors, 1);
	ck_assert_uint_eq(j.bytes, 100);
	ck_assert_uint_eq(hand_pool.chunks, 1);
	ck_assert_uint_eq(hand_pool.bytes, 100);
}
END_TEST

static void tick(struct test *t, struct slice slice)
{
	uint64_t due = t->due_ns;

	test_tick(t);
	unit_advance(t, slice);
	test_set_next(t, due);
}

START_TEST(ticks_that_resize_never_lead_beyond_the_total)
{
	const struct test_plan plan = UNIT_PLAN(0, 5000, 20000, 1, 1, 1000000);
	struct test t = { 0 };
	bool full = false;

	atomic_store(&content_check, 1);
	atomic_store(&test_realloc_percent, 60);
	test_init(&t, 1, &plan, 1, 0);
	for (int i = 0; i < 3000; i++) {
		tick(&t, UNIT_NO_TIME);
		ck_assert_uint_le(t.pool.bytes, 20000);
		ck_assert_uint_eq(budget_used(), t.pool.bytes);
		full |= t.pool.bytes == 20000;
	}
	ck_assert(full);
	ck_assert_uint_eq(t.stats.calls + t.stats.reallocs, 3000);
	ck_assert_uint_ge(t.stats.reallocs, 1500);
	ck_assert_uint_le(t.stats.reallocs, 1900);
	ck_assert_uint_gt(t.stats.overflows, 0);
	ck_assert_uint_eq(t.stats.errors, 0);
	unit_free_test(&t);
}
END_TEST

START_TEST(at_100_percent_one_chunk_is_resized_for_ever)
{
	const struct test_plan plan = UNIT_PLAN(1, 5000, 20000, 1, 1, 1000000);
	struct test t = { 0 };
	uint64_t grown = 0, last = 0;

	atomic_store(&test_realloc_percent, 100);
	test_init(&t, 1, &plan, 1, 0);
	for (int i = 0; i < 500; i++) {
		tick(&t, UNIT_MUCH_TIME);
		ck_assert_uint_eq(t.pool.chunks, 1);
		grown += t.pool.bytes > last ? t.pool.bytes - last : 0;
		last = t.pool.bytes;
	}
	ck_assert_uint_eq(t.stats.calls, 1);
	ck_assert_uint_eq(t.stats.reallocs, 499);
	ck_assert_uint_eq(t.stats.bytes, grown);
	unit_free_test(&t);
}
END_TEST

START_TEST(refused_ticks_that_resize_are_errors_and_lose_nothing)
{
	const struct test_plan plan = UNIT_PLAN(50, 5000, 1000000, 1, 1, 1000000);
	void *(*allocator)(void *, size_t) = real.realloc;
	struct test t = { 0 };
	uint64_t held;

	atomic_store(&content_check, 1);
	test_init(&t, 1, &plan, 1, 0);
	for (int i = 0; i < 10; i++)
		tick(&t, UNIT_MUCH_TIME);
	held = t.pool.bytes;
	atomic_store(&test_realloc_percent, 100);
	real.realloc = refuse;
	for (int i = 0; i < 10; i++)
		tick(&t, UNIT_NO_TIME);
	real.realloc = allocator;
	ck_assert_uint_eq(t.stats.errors, 10);
	ck_assert_uint_eq(t.stats.reallocs, 0);
	ck_assert_uint_eq(t.pool.chunks, 10);
	ck_assert_uint_eq(t.pool.bytes, held);
	ck_assert_uint_eq(budget_used(), held);
	unit_free_test(&t);
}
END_TEST

/* What was drawn is compared by its hash, so that two runs can be told to be the same. */
START_TEST(same_seed_gives_the_same_sequence_with_resizes_too)
{
	const struct test_plan plan = UNIT_PLAN(1, 5000, 20000, 1, 50, 1000000);
	static const struct {
		uint64_t seed, percent;
	} runs[] = { { 7, 50 }, { 7, 50 }, { 8, 50 }, { 7, 49 }, { 7, 0 } };
	uint64_t sequences[COUNT(runs)], held[COUNT(runs)];

	for (size_t i = 0; i < COUNT(runs); i++) {
		struct test t = { 0 };

		atomic_store(&test_realloc_percent, runs[i].percent);
		test_init(&t, 3, &plan, runs[i].seed, i * NS_PER_S);
		for (int n = 0; n < 300; n++)
			tick(&t, i % 2 ? UNIT_NO_TIME : UNIT_MUCH_TIME);
		sequences[i] = t.stats.sequence;
		held[i] = t.pool.bytes;
		unit_free_test(&t);
	}
	ck_assert_uint_eq(sequences[0], sequences[1]);
	ck_assert_uint_eq(held[0], held[1]);
	for (size_t i = 2; i < COUNT(runs); i++)
		ck_assert_uint_ne(sequences[0], sequences[i]);
}
END_TEST

/* It was stopped while the chunk was resized: the chunk stays. */
START_TEST(stopped_in_the_middle_of_a_resize_it_keeps_the_chunk)
{
	const struct test_plan plan = UNIT_PLAN(4 << 20, 4 << 20, 16 << 20, 1, 1, 1000000);
	struct slice none = UNIT_NO_TIME;
	struct test t = { 0 };

	atomic_store(&content_check, 1);
	atomic_store(&test_realloc_percent, 100);
	test_init(&t, 1, &plan, 1, 0);
	tick(&t, none);
	test_tick(&t);
	ck_assert(!test_advance(&t, &none));
	ck_assert_int_eq(t.phase, TEST_RESIZING);
	ck_assert_uint_eq(test_held_bytes(&t), 4 << 20);
	t.state = TEST_STOPPED;
	for (int i = 0; !test_advance(&t, &none); i++)
		ck_assert_int_lt(i, 1000);
	ck_assert_uint_eq(t.pool.chunks, 1);
	ck_assert_uint_eq(budget_used(), t.pool.bytes);
	unit_free_test(&t);
}
END_TEST

/* As in a forked child, which has adopted a leak of its parent's. */
START_TEST(mapping_is_no_block_to_resize)
{
	struct transit t = { 0 };
	struct slice slice = UNIT_MUCH_TIME;
	struct job j;

	ck_assert_int_eq(transit_in(&t, &(struct want){ .size = 5000, .kind = KIND_MMAP }, NULL), 0);
	ck_assert(transit_in_step(&t, &slice));
	ck_assert_int_eq(chunk_push(&hand_pool, &t.chunk), 0);
	j = mem_realloc(100);
	ck_assert_uint_eq(j.chunks, 0);
	ck_assert_uint_eq(j.errors, 1);
	unit_hold(10);
	for (int i = 1; i < 50; i++)
		ck_assert_uint_eq(mem_realloc(100).errors, 0);
	ck_assert_uint_eq(hand_pool.bytes, 5000 + 100);
}
END_TEST

UNIT_SUITE(resize, mapping_is_no_block_to_resize, pattern_survives_growing_and_shrinking, large_resize_takes_a_part_in_each_slice,
	   without_a_pattern_the_new_part_is_touched, damage_before_is_counted_once_and_mended,
	   what_the_allocator_refuses_stays_as_it_was, what_the_budget_refuses_is_not_begun,
	   job_resizes_one_chunk_of_the_hand_pool, refused_job_tells_that_there_was_a_chunk,
	   ticks_that_resize_never_lead_beyond_the_total, at_100_percent_one_chunk_is_resized_for_ever,
	   refused_ticks_that_resize_are_errors_and_lose_nothing,
	   same_seed_gives_the_same_sequence_with_resizes_too,
	   stopped_in_the_middle_of_a_resize_it_keeps_the_chunk)
