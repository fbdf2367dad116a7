/* SPDX-License-Identifier: BSD-2-Clause */
/* Which chunks mt.mem_free takes: those that fit, newest first, then the smallest that covers the
   rest; the hand pool before stopped tests before running ones. */
#include <pthread.h>
#include <string.h>

#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/reset.h"
#include "inject/sched.h"
#include "tests/unit.h"

static void hold_all(const uint64_t *sizes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		unit_hold(sizes[i]);
}

static uint64_t freed(uint64_t bytes)
{
	struct unit_job u;
	uint64_t before = budget_used();

	bulk_free(unit_job(&u), bytes);
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.bytes, before - budget_used());
	return u.job.bytes;
}

START_TEST(free_by_size_takes_fitting_chunks_newest_first)
{
	static const uint64_t five[] = { 100, 200, 300, 400, 500 }, three[] = { 10, 20, 100 };

	hold_all(five, COUNT(five));
	ck_assert_uint_eq(freed(250), 300); /* 200, then 100 */
	ck_assert_uint_eq(freed(1), 300);   /* the smallest of 300, 400, 500 */
	hand_free();
	hold_all(five, COUNT(five));
	ck_assert_uint_eq(freed(1), 100);
	hand_free();
	hold_all(three, COUNT(three));
	ck_assert_uint_eq(freed(35), 130);
	ck_assert_uint_eq(hand_pool.chunks, 0);
}
END_TEST

START_TEST(free_by_size_frees_at_least_that)
{
	static const struct {
		uint64_t sizes[4], ask, freed;
	} cases[] = {
		{ { 5, 5, 5, 5 }, 0, 0 },      { { 5, 5, 5, 5 }, 1, 5 },
		{ { 5, 5, 5, 5 }, 5, 5 },      { { 5, 5, 5, 5 }, 6, 10 },
		{ { 5, 5, 5, 5 }, 20, 20 },    { { 5, 5, 5, 5 }, 21, 20 },
		{ { 1, 2, 4, 8 }, 7, 7 },      { { 8, 4, 2, 1 }, 10, 15 },
		{ { 100, 9, 9, 50 }, 30, 68 }, { { 0, 0, 7, 0 }, 1, 7 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		hold_all(cases[i].sizes, 4);
		ck_assert_uint_eq(freed(cases[i].ask), cases[i].freed);
		hand_free();
	}
}
END_TEST

/* The rule once more, on a plain array from oldest to newest. */
static uint64_t free_in_model(uint64_t *sizes, size_t *count, uint64_t ask)
{
	uint64_t left = ask, sum = 0;
	size_t smallest = SIZE_MAX;

	for (size_t i = *count; i-- > 0 && left;) {
		if (sizes[i] > left) {
			if (smallest == SIZE_MAX || sizes[i] < sizes[smallest])
				smallest = i;
			continue;
		}
		left -= sizes[i];
		sum += sizes[i];
		memmove(sizes + i, sizes + i + 1, (--*count - i) * sizeof(*sizes));
		if (smallest != SIZE_MAX)
			smallest--;
	}
	if (left && smallest != SIZE_MAX) {
		sum += sizes[smallest];
		memmove(sizes + smallest, sizes + smallest + 1,
			(--*count - smallest) * sizeof(*sizes));
	}
	return sum;
}

START_TEST(random_frees_agree_with_the_rule)
{
	struct prng random = unit_random("random_frees_agree_with_the_rule");
	uint64_t model[600];
	size_t count = 0;

	for (int round = 0; round < 200; round++) {
		uint64_t more = prng_range(&random, 0, 60), ask;

		for (; more && count < COUNT(model); more--) {
			model[count] = prng_range(&random, 1, 500);
			unit_hold(model[count++]);
		}
		ask = prng_range(&random, 0, hand_pool.bytes / 2 + 1);
		ck_assert_uint_eq(freed(ask), free_in_model(model, &count, ask));
		ck_assert_uint_eq(hand_pool.chunks, count);
	}
}
END_TEST

/* A test that holds one chunk; it is not due before long. */
static struct test *test_holding(uint64_t size, bool stopped)
{
	const struct test_plan plan = UNIT_PLAN(size, size, 100 * size, 3600000, 3600000, 36000000);
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t id;
	struct test *t;

	ck_assert_int_eq(sched_start(&plan, &id), 0);
	t = sched_find(id);
	test_tick(t);
	ck_assert(test_advance(t, &slice));
	ck_assert_uint_eq(t->pool.bytes, size);
	if (stopped)
		sched_stop(t);
	return t;
}

START_TEST(hand_pool_goes_first_then_stopped_then_running_tests)
{
	struct test *running = test_holding(100, false), *stopped = test_holding(100, true);
	struct test *running2 = test_holding(100, false), *stopped2 = test_holding(100, true);

	unit_hold(100);
	ck_assert_uint_eq(freed(100), 100);
	ck_assert_uint_eq(hand_pool.chunks, 0);
	ck_assert_uint_eq(freed(100), 100);
	ck_assert_uint_eq(stopped2->pool.chunks, 0); /* the newest first */
	ck_assert_uint_eq(stopped->pool.chunks, 1);
	ck_assert_uint_eq(freed(150), 200);
	ck_assert_uint_eq(stopped->pool.chunks, 0);
	ck_assert_uint_eq(running2->pool.chunks, 0);
	ck_assert_uint_eq(running->pool.chunks, 1);
	ck_assert_uint_eq(freed(1000), 100);
	ck_assert_uint_eq(running->pool.chunks, 0);
	ck_assert_int_eq(running->state, TEST_RUNNING);
}
END_TEST

/* A chunk of a pool that comes first covers the rest, though a later pool has one that fits better. */
START_TEST(smallest_that_covers_is_of_the_pool_at_hand)
{
	struct test *t = test_holding(10, true);

	unit_hold(1000);
	ck_assert_uint_eq(freed(10), 1000);
	ck_assert_uint_eq(t->pool.chunks, 1);
}
END_TEST

START_TEST(free_all_empties_every_pool_and_tests_run_on)
{
	struct test *running = test_holding(100, false), *stopped = test_holding(1000, true);
	struct unit_job u;

	unit_hold(10000);
	bulk_free_all(unit_job(&u), false);
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.bytes, 11100);
	ck_assert_uint_eq(u.job.chunks, 3);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_int_eq(running->state, TEST_RUNNING);
	ck_assert_int_eq(stopped->state, TEST_STOPPED);
	ck_assert_uint_eq(sched_next_ns(), running->due_ns);
}
END_TEST

/* One whose tick was interrupted: it has a chunk of so many bytes in hand, on its way in. */
static struct test *test_filling(uint64_t size)
{
	struct test_plan plan = UNIT_PLAN(size, size, size, 1000, 1000, 3600000);
	struct test *t;
	uint64_t id;

	ck_assert_int_eq(sched_start(&plan, &id), 0);
	t = sched_find(id);
	t->due_ns = 1;
	sched_run(0);
	ck_assert_uint_eq(test_held_bytes(t), size);
	ck_assert_uint_eq(t->pool.bytes, 0);
	return t;
}

/* Our thread sleeps until the next of these is due: a reset under way never lets it, whatever else it waits for. */
START_TEST(reset_rests_at_no_turn)
{
	struct unit_job other, reset;
	struct slice none = UNIT_NO_TIME;

	atomic_store(&content_check, 1);
	for (int i = 0; i < 10; i++)
		unit_hold(100);
	test_filling(64 << 20);
	bulk_alloc(unit_job(&other), 8 << 20, 8 << 20, 8 << 20);
	job_run(&none);
	bulk_reset(unit_job(&reset));
	while (!reset.done) {
		uint64_t held = budget_held();

		for (unsigned turns = 0; budget_held() == held && !reset.done; turns++) {
			ck_assert(job_next_ns() == 0 || sched_next_ns() == 0);
			ck_assert_uint_lt(turns, 100); /* 33 parts of the largest chunk are purged */
			sched_run(0);
			none = UNIT_NO_TIME;
			job_run(&none);
		}
	}
}
END_TEST

START_TEST(reset_tells_of_all_that_was_held)
{
	struct unit_job other, reset;
	struct slice none = UNIT_NO_TIME;

	unit_hold(1000);
	test_filling(4 << 20);
	sched_stop(test_filling(5 << 20));
	bulk_alloc(unit_job(&other), 8 << 20, 8 << 20, 8 << 20);
	job_run(&none);
	ck_assert_uint_eq(budget_held(), 1000 + (17 << 20));
	bulk_reset(unit_job(&reset));
	unit_run(&reset, 0);
	ck_assert(other.done && other.job.cancelled);
	ck_assert_uint_eq(reset.job.bytes, 1000 + (17 << 20));
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

/* A test that runs on keeps the chunk that is on its way in; what tests free by themselves is waited for. */
START_TEST(free_all_tells_of_what_tests_have_on_their_way_out)
{
	struct test *stopped = test_filling(4 << 20), *destroyed = test_filling(8 << 20);
	struct unit_job u, gone;
	uint64_t held;

	unit_hold(1000);
	test_filling(64 << 20);
	sched_stop(stopped);
	bulk_destroy(unit_job(&gone), destroyed);
	held = budget_held();
	ck_assert_uint_eq(held, 1000 + (76 << 20));
	bulk_free_all(unit_job(&u), false);
	unit_run(&u, 0);
	ck_assert(!sched_any_awaited());
	ck_assert_uint_ge(u.job.bytes, 1000 + (12 << 20));
	ck_assert_uint_eq(u.job.bytes, held - budget_held());
	unit_run(&gone, 0);
}
END_TEST

static void take_newest(struct chunk_pool *pool)
{
	struct chunk_cursor at = { 0 };
	struct transit t = { 0 };
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t damaged = 0;
	struct chunk c;

	ck_assert(chunk_prev(pool, &at, &c));
	chunk_take(pool, &at);
	transit_out(&t, &c, false);
	ck_assert(transit_out_step(&t, &slice, &damaged));
}

/* The walk has passed the newest chunk over as the smallest so far when somebody else takes it; alone
   in its segment, or not. */
START_TEST(removal_by_others_restarts_the_walk)
{
	static const unsigned olds[] = { 1, 34, 35, 36, 70 };

	for (size_t i = 0; i < COUNT(olds); i++) {
		struct slice none = UNIT_NO_TIME;
		struct unit_job u;

		for (unsigned n = 0; n < olds[i]; n++)
			unit_hold(900);
		unit_hold(800);
		bulk_free(unit_job(&u), 10);
		job_run(&none);
		ck_assert(!u.done);
		take_newest(&hand_pool);
		unit_run(&u, 0);
		ck_assert_uint_eq(u.job.bytes, 900);
		ck_assert_uint_eq(hand_pool.chunks, olds[i] - 1);
		hand_free();
	}
}
END_TEST

START_TEST(test_destroyed_in_the_middle_of_a_walk_is_left_alone)
{
	struct test *t = test_holding(900, true), *older = t;
	struct slice none = UNIT_NO_TIME;
	struct unit_job u, gone;

	t = test_holding(800, true);
	bulk_free(unit_job(&u), 10);
	for (int i = 0; u.job.from.smallest != 800; i++) {
		ck_assert_int_lt(i, 100);
		ck_assert(job_run(&none));
	}
	bulk_destroy(unit_job(&gone), t);
	unit_run(&gone, 0);
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.bytes, 900);
	ck_assert_uint_eq(older->pool.chunks, 0);
}
END_TEST

START_TEST(damage_is_counted_with_the_job_and_the_test)
{
	struct chunk_cursor at = { 0 };
	struct unit_job u;
	struct test *t;
	struct chunk c;

	atomic_store(&content_check, 1);
	t = test_holding(100, true);
	unit_hold(100);
	ck_assert(chunk_prev(&t->pool, &at, &c));
	*(char *)c.addr ^= 1;
	bulk_free_all(unit_job(&u), false);
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.damaged, 1);
	ck_assert_uint_eq(t->stats.corruptions, 1);
}
END_TEST

START_TEST(cancelled_free_keeps_the_rest)
{
	struct slice none = UNIT_NO_TIME;
	struct unit_job u;

	for (int i = 0; i < 100; i++)
		unit_hold(10);
	bulk_free_all(unit_job(&u), false);
	for (int i = 0; i < 20; i++)
		job_run(&none);
	u.job.cancelled = true;
	unit_run(&u, 0);
	ck_assert_uint_gt(u.job.bytes, 0);
	ck_assert_uint_eq(hand_pool.bytes, 1000 - u.job.bytes);
	ck_assert_uint_eq(budget_used(), hand_pool.bytes);
}
END_TEST

static void *take_back(void *together)
{
	pthread_barrier_wait(together);
	reset_here();
	return NULL;
}

/* A part of a large chunk is purged outside the gate: two of them would work on one job. */
START_TEST(threads_that_take_back_at_once_do_so_one_after_the_other)
{
	pthread_barrier_t together;
	pthread_t other;

	pthread_barrier_init(&together, NULL, 2);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 8; i++)
			unit_hold(3 << 20);
		ck_assert_int_eq(pthread_create(&other, NULL, take_back, &together), 0);
		take_back(&together);
		pthread_join(other, NULL);
		ck_assert_uint_eq(budget_used(), 0);
		ck_assert_uint_eq(hand_pool.chunks, 0);
	}
	pthread_barrier_destroy(&together);
}
END_TEST

UNIT_SUITE(bulk_free, threads_that_take_back_at_once_do_so_one_after_the_other, free_by_size_takes_fitting_chunks_newest_first,
	   free_by_size_frees_at_least_that, random_frees_agree_with_the_rule,
	   hand_pool_goes_first_then_stopped_then_running_tests,
	   smallest_that_covers_is_of_the_pool_at_hand,
	   free_all_empties_every_pool_and_tests_run_on, removal_by_others_restarts_the_walk,
	   test_destroyed_in_the_middle_of_a_walk_is_left_alone,
	   damage_is_counted_with_the_job_and_the_test, cancelled_free_keeps_the_rest,
	   reset_rests_at_no_turn, reset_tells_of_all_that_was_held, free_all_tells_of_what_tests_have_on_their_way_out)
