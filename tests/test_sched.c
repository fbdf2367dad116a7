/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of tests and their schedule. Where a test has to be due, its due time is set by hand. */
#include "inject/sched.h"

#include <stdlib.h>

#include "base/clock.h"
#include "inject/bulk.h"
#include "inject/hand.h"
#include "tests/unit.h"

#define MANY 10000
#define HOUR_MS 3600000

static struct test *start(uint64_t size, uint64_t total, uint64_t interval_ms)
{
	const struct test_plan plan = UNIT_PLAN(size, size, total, interval_ms, interval_ms, 100 * HOUR_MS);
	uint64_t id;

	ck_assert_int_eq(sched_start(&plan, &id), 0);
	ck_assert_uint_eq(sched_find(id)->id, id);
	return sched_find(id);
}

static void destroy(struct test *t)
{
	struct unit_job u;

	bulk_destroy(unit_job(&u), t);
	unit_run(&u, 0);
}

START_TEST(ids_are_never_used_again)
{
	uint64_t last = start(1, 1, HOUR_MS)->id;

	for (int i = 0; i < 100; i++) {
		struct test *t = start(1, 1, HOUR_MS);

		ck_assert_uint_eq(t->id, last + 1);
		last = t->id;
		destroy(t);
		ck_assert_ptr_null(sched_find(last));
	}
	destroy(NULL);
	ck_assert_uint_eq(start(1, 1, HOUR_MS)->id, last + 1);
}
END_TEST

START_TEST(below_walks_from_newest_to_oldest)
{
	uint64_t first = start(1, 1, HOUR_MS)->id, at = SCHED_NEWEST;
	static const uint64_t left[] = { 9, 8, 6, 5, 4, 2, 1 };
	struct test *t;

	for (int i = 1; i < 10; i++)
		start(1, 1, HOUR_MS);
	destroy(sched_find(first));
	destroy(sched_find(first + 3));
	destroy(sched_find(first + 7));
	for (size_t i = 0; i < COUNT(left); i++) {
		t = sched_below(at);
		ck_assert_uint_eq(t->id, first + left[i]);
		at = t->id;
	}
	ck_assert_ptr_null(sched_below(at));
	/* A place whose test has gone meanwhile is found all the same. */
	ck_assert_uint_eq(sched_below(first + 7)->id, first + 6);
	ck_assert_ptr_null(sched_find(first + 7));
	ck_assert_ptr_null(sched_find(0));
	ck_assert_ptr_null(sched_find(first + 10));
}
END_TEST

static int by_due_time(const void *a, const void *b)
{
	uint64_t da = (*(struct test *const *)a)->due_ns, db = (*(struct test *const *)b)->due_ns;

	return (da > db) - (da < db);
}

START_TEST(ten_thousand_tests_come_out_in_order_of_due_time)
{
	struct prng random = unit_random("ten_thousand_tests_come_out_in_order_of_due_time");
	static struct test *tests[MANY];
	size_t left = 0;

	for (size_t i = 0; i < MANY; i++) {
		tests[i] = start(1, 1, HOUR_MS + prng_range(&random, 0, 1000));
		if (prng_range(&random, 0, 3) == 0) /* out of the middle of the heap */
			sched_stop(tests[prng_range(&random, 0, i)]);
	}
	for (size_t i = 0; i < MANY; i++)
		if (tests[i]->state == TEST_RUNNING)
			tests[left++] = tests[i];
	ck_assert_uint_gt(left, MANY / 2);
	qsort(tests, left, sizeof(tests[0]), by_due_time);
	for (size_t i = 0; i < left; i++) {
		ck_assert_uint_eq(sched_next_ns(), tests[i]->due_ns);
		sched_stop(tests[i]);
	}
	ck_assert_uint_eq(sched_next_ns(), CLOCK_NEVER);
	ck_assert_uint_eq(sched_count().stopped, MANY);
}
END_TEST

START_TEST(nothing_is_due_without_tests)
{
	ck_assert_uint_eq(sched_next_ns(), CLOCK_NEVER);
	sched_run(NS_PER_MS);
	ck_assert_uint_eq(sched_count().running, 0);
	ck_assert_uint_eq(sched_count().stopped, 0);
}
END_TEST

START_TEST(due_test_runs_and_is_scheduled_again)
{
	struct test *t = start(7, 700, HOUR_MS);
	uint64_t before = clock_ns();

	ck_assert_uint_gt(sched_next_ns(), before);
	sched_run(NS_PER_S);
	ck_assert_uint_eq(t->stats.calls, 0); /* not due yet */
	t->due_ns = before; /* by now a little late */
	sched_run(NS_PER_S);
	ck_assert_uint_eq(t->stats.calls, 1);
	ck_assert_uint_eq(t->pool.bytes, 7);
	ck_assert_uint_gt(sched_next_ns(), before);
	ck_assert_uint_eq(sched_next_ns(), t->due_ns);
}
END_TEST

START_TEST(stop_keeps_memory_and_statistics_and_destroy_frees)
{
	struct test *t = start(7, 700, HOUR_MS);
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t id = t->id, over;

	test_tick(t);
	ck_assert(test_advance(t, &slice));
	sched_stop(t);
	over = t->over_ns;
	ck_assert_int_eq(t->state, TEST_STOPPED);
	ck_assert_uint_eq(sched_next_ns(), CLOCK_NEVER);
	ck_assert_uint_eq(budget_used(), 7);
	ck_assert_uint_eq(t->stats.calls, 1);
	sched_stop(t); /* again: nothing */
	ck_assert_uint_eq(t->over_ns, over);
	destroy(t);
	ck_assert_ptr_null(sched_find(id));
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(test_that_ends_frees_its_memory_and_stays_listed)
{
	struct test *t = start(7, 700, HOUR_MS);
	struct slice slice = UNIT_MUCH_TIME;

	test_tick(t);
	ck_assert(test_advance(t, &slice));
	t->ending = true;
	t->due_ns = 1;
	sched_run(NS_PER_S);
	ck_assert_int_eq(t->state, TEST_ENDED);
	ck_assert_uint_eq(t->over_ns, t->end_ns);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(t->stats.bytes, 7);
	ck_assert_ptr_eq(sched_find(t->id), t);
	ck_assert_uint_eq(sched_next_ns(), CLOCK_NEVER);
	sched_stop(t); /* not running: nothing */
	ck_assert_int_eq(t->state, TEST_ENDED);
	ck_assert_uint_eq(sched_count().stopped, 1);
}
END_TEST

START_TEST(unfinished_tick_goes_on_at_once)
{
	struct test *t = start(4 << 20, 8 << 20, HOUR_MS);
	int turns = 0;

	t->due_ns = 1;
	sched_run(0);
	ck_assert_uint_eq(t->stats.bytes, 0);
	ck_assert_uint_eq(sched_next_ns(), 0);
	for (; !t->stats.bytes; turns++) {
		ck_assert_int_lt(turns, 1000);
		sched_run(0);
	}
	ck_assert_int_gt(turns, 2);
}
END_TEST

START_TEST(destroy_in_the_middle_of_a_tick_frees_all)
{
	struct test *t = start(4 << 20, 8 << 20, HOUR_MS);

	t->due_ns = 1;
	sched_run(0);
	ck_assert_uint_eq(budget_used(), 4 << 20);
	destroy(t);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(sched_next_ns(), CLOCK_NEVER);
}
END_TEST

/* What a stopped test had in hand must not arrive once everything has been taken back. */
START_TEST(reset_in_the_middle_of_a_tick_leaves_nothing)
{
	struct test *t = start(4 << 20, 8 << 20, HOUR_MS);
	struct unit_job u;

	t->due_ns = 1;
	sched_run(0);
	ck_assert_uint_eq(budget_used(), 4 << 20);
	sched_stop_all();
	bulk_free_all(unit_job(&u), true);
	unit_run(&u, 0);
	for (int i = 0; sched_next_ns() != CLOCK_NEVER; i++) {
		ck_assert_int_lt(i, 1000);
		sched_run(0);
	}
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(destroying_all_tells_when_the_last_has_gone)
{
	struct slice slice = UNIT_MUCH_TIME;
	struct unit_job u;

	for (uint64_t i = 1; i <= 600; i++) { /* more than the arrays hold at first */
		struct test *t = start(i, 1000, HOUR_MS);

		test_tick(t);
		ck_assert(test_advance(t, &slice));
	}
	bulk_destroy(unit_job(&u), NULL);
	ck_assert_uint_eq(u.job.waiting_for, 600);
	ck_assert_ptr_null(sched_below(SCHED_NEWEST));
	unit_run(&u, 0);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(counts_tell_running_from_stopped)
{
	struct sched_counts n;

	start(1, 1, HOUR_MS)->stats.corruptions = 2;
	start(1, 1, HOUR_MS);
	start(1, 1, HOUR_MS)->stats.corruptions = 3;
	sched_stop(sched_below(SCHED_NEWEST));
	n = sched_count();
	ck_assert_uint_eq(n.running, 2);
	ck_assert_uint_eq(n.stopped, 1);
	ck_assert_uint_eq(n.corruptions, 5);
	sched_stop_all();
	ck_assert_uint_eq(sched_count().running, 0);
}
END_TEST

UNIT_SUITE(sched, ids_are_never_used_again, below_walks_from_newest_to_oldest,
	   ten_thousand_tests_come_out_in_order_of_due_time, nothing_is_due_without_tests,
	   due_test_runs_and_is_scheduled_again, stop_keeps_memory_and_statistics_and_destroy_frees,
	   test_that_ends_frees_its_memory_and_stays_listed, unfinished_tick_goes_on_at_once,
	   destroy_in_the_middle_of_a_tick_frees_all, reset_in_the_middle_of_a_tick_leaves_nothing,
	   destroying_all_tells_when_the_last_has_gone, counts_tell_running_from_stopped)
