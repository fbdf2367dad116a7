/* SPDX-License-Identifier: BSD-2-Clause */
/* One timed test, with the time given by hand: no clock is read. */
#include "inject/test.h"

#include "base/clock.h"
#include "inject/content.h"
#include "tests/unit.h"

#define MS(n) ((n) * NS_PER_MS)

/* Runs every tick exactly when it is due, until the end. Returns how many there were. */
static unsigned run_punctually(struct test *t, struct slice slice)
{
	unsigned ticks = 0;

	for (;;) {
		test_tick(t);
		unit_advance(t, slice);
		if (t->ending)
			return ticks;
		ticks++;
		test_set_next(t, t->due_ns);
	}
}

START_TEST(twenty_ticks_of_one_byte_with_total_ten)
{
	const struct test_plan plan = UNIT_PLAN(1, 1, 10, 250, 250, 5000);
	const struct slice slices[] = { UNIT_MUCH_TIME, UNIT_NO_TIME };

	for (size_t i = 0; i < COUNT(slices); i++) {
		struct test t = { 0 };

		test_init(&t, 1, &plan, 42, MS(1000));
		ck_assert_uint_eq(t.due_ns, MS(1250)); /* not at once */
		ck_assert_uint_eq(run_punctually(&t, slices[i]), 20);
		ck_assert_uint_eq(t.stats.calls, 20);
		ck_assert_uint_eq(t.stats.errors, 0);
		ck_assert_uint_eq(t.stats.overflows, 1);
		ck_assert_uint_eq(t.stats.bytes, 20);
		ck_assert_uint_eq(test_held_bytes(&t), 0);
		ck_assert_uint_eq(t.due_ns, MS(6000));
		ck_assert_uint_eq(budget_used(), 0);
	}
}
END_TEST

START_TEST(total_is_reached_exactly_and_then_freed)
{
	const struct test_plan plan = UNIT_PLAN(4, 4, 10, 10, 10, 1000);
	static const uint64_t held[] = { 4, 8, 10, 4, 8, 10, 4 };
	static const uint64_t overflows[] = { 0, 0, 0, 1, 1, 1, 2 };
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, 0);
	for (size_t i = 0; i < COUNT(held); i++) {
		test_tick(&t);
		unit_advance(&t, UNIT_MUCH_TIME);
		test_set_next(&t, t.due_ns);
		ck_assert_uint_eq(test_held_bytes(&t), held[i]);
		ck_assert_uint_eq(t.stats.overflows, overflows[i]);
	}
	ck_assert_uint_eq(t.stats.calls, COUNT(held));
	ck_assert_uint_eq(t.stats.bytes, 10 + 10 + 4);
	unit_free_test(&t);
}
END_TEST

START_TEST(tick_due_exactly_at_the_end_still_runs)
{
	static const struct {
		uint64_t interval, time;
		unsigned ticks;
	} cases[] = { { 10, 10, 1 }, { 10, 19, 1 }, { 10, 20, 2 }, { 1, 100, 100 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_plan plan = UNIT_PLAN(1, 1, 1000, cases[i].interval,
							cases[i].interval, cases[i].time);
		struct test t = { 0 };

		test_init(&t, 1, &plan, 1, MS(500));
		ck_assert_uint_eq(run_punctually(&t, UNIT_MUCH_TIME), cases[i].ticks);
		ck_assert_uint_eq(t.due_ns, MS(500 + cases[i].time));
	}
}
END_TEST

START_TEST(late_ticks_are_caught_up_but_100_ms_worth_at_most)
{
	const struct test_plan plan = UNIT_PLAN(1, 1, 1000, 1, 1, 100000);
	struct test t = { 0 };
	unsigned ticks = 0;

	test_init(&t, 1, &plan, 1, 0);
	test_set_next(&t, MS(60)); /* 60 ms late: nothing is left out */
	ck_assert_uint_eq(t.due_ns, MS(2));
	test_set_next(&t, MS(10000));
	ck_assert_uint_eq(t.due_ns, MS(9900));
	for (; t.due_ns <= MS(10000); ticks++)
		test_set_next(&t, MS(10000));
	ck_assert_uint_eq(ticks, 101);
	ck_assert(!t.ending);
	test_set_next(&t, MS(1000000)); /* after its end: only the end is left */
	ck_assert(t.ending);
	ck_assert_uint_eq(t.due_ns, MS(100000));
}
END_TEST

START_TEST(intervals_and_sizes_stay_in_their_bounds)
{
	const struct test_plan plan = UNIT_PLAN(5, 9, 1000000, 3, 6, 1000000);
	unsigned intervals[7] = { 0 }, sizes[10] = { 0 };
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, 0);
	for (int i = 0; i < 2000; i++) {
		uint64_t due = t.due_ns, bytes = t.stats.bytes;

		test_tick(&t);
		unit_advance(&t, UNIT_MUCH_TIME);
		test_set_next(&t, due);
		ck_assert_uint_ge(t.due_ns - due, MS(3));
		ck_assert_uint_le(t.due_ns - due, MS(6));
		intervals[(t.due_ns - due) / NS_PER_MS]++;
		ck_assert_uint_ge(t.stats.bytes - bytes, 5);
		ck_assert_uint_le(t.stats.bytes - bytes, 9);
		sizes[t.stats.bytes - bytes]++;
	}
	for (size_t i = 3; i <= 6; i++)
		ck_assert_uint_gt(intervals[i], 300);
	for (size_t i = 5; i <= 9; i++)
		ck_assert_uint_gt(sizes[i], 300);
	unit_free_test(&t);
}
END_TEST

START_TEST(same_seed_and_id_give_the_same_run)
{
	const struct test_plan plan = UNIT_PLAN(1, 1000, 50000, 1, 50, 20000);
	static const uint64_t seeds[][2] = { { 7, 3 }, { 7, 3 }, { 8, 3 }, { 7, 4 } };
	struct test runs[COUNT(seeds)] = { 0 };

	for (size_t i = 0; i < COUNT(seeds); i++) {
		test_init(&runs[i], seeds[i][1], &plan, seeds[i][0], MS(i));
		run_punctually(&runs[i], UNIT_MUCH_TIME);
	}
	ck_assert_uint_eq(runs[0].stats.calls, runs[1].stats.calls);
	ck_assert_uint_eq(runs[0].stats.bytes, runs[1].stats.bytes);
	ck_assert_uint_ne(runs[0].stats.bytes, runs[2].stats.bytes);
	ck_assert_uint_ne(runs[0].stats.bytes, runs[3].stats.bytes);
}
END_TEST

START_TEST(refused_allocations_are_calls_and_errors)
{
	const struct test_plan plan = UNIT_PLAN(10, 10, 1000, 1, 1, 10);
	struct test t = { 0 };

	atomic_store(&budget_max_bytes, 35);
	test_init(&t, 1, &plan, 1, 0);
	ck_assert_uint_eq(run_punctually(&t, UNIT_MUCH_TIME), 10);
	ck_assert_uint_eq(t.stats.calls, 10);
	ck_assert_uint_eq(t.stats.errors, 7);
	ck_assert_uint_eq(t.stats.bytes, 30);
}
END_TEST

START_TEST(large_chunk_takes_many_slices_and_counts_as_held)
{
	const struct test_plan plan = UNIT_PLAN(4 << 20, 4 << 20, 4 << 20, 1, 1, 1000);
	struct slice none = UNIT_NO_TIME;
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, 0);
	test_tick(&t);
	ck_assert(!test_advance(&t, &none));
	ck_assert_int_eq(t.phase, TEST_FILLING);
	ck_assert_uint_eq(test_held_bytes(&t), 4 << 20);
	ck_assert_uint_eq(t.stats.bytes, 0); /* not before it is there */
	unit_advance(&t, none);
	ck_assert_uint_eq(t.stats.bytes, 4 << 20);
	test_tick(&t); /* frees it, then allocates again */
	ck_assert(!test_advance(&t, &none));
	ck_assert_int_eq(t.phase, TEST_EMPTYING);
	unit_advance(&t, none);
	ck_assert_uint_eq(t.stats.calls, 2);
	ck_assert_uint_eq(test_held_bytes(&t), 4 << 20);
	unit_free_test(&t);
}
END_TEST

START_TEST(stopped_in_the_middle_of_emptying_it_keeps_the_rest)
{
	const struct test_plan plan = UNIT_PLAN(10, 10, 100, 1, 1, 1000);
	struct slice none = UNIT_NO_TIME;
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, 0);
	for (int i = 0; i < 10; i++) {
		test_tick(&t);
		unit_advance(&t, UNIT_MUCH_TIME);
	}
	test_tick(&t);
	ck_assert(!test_advance(&t, &none));
	t.state = TEST_STOPPED;
	unit_advance(&t, UNIT_MUCH_TIME);
	ck_assert_uint_eq(test_held_bytes(&t), 90);
	ck_assert_uint_eq(t.stats.calls, 10);
	unit_free_test(&t);
}
END_TEST

START_TEST(times_shown_count_to_the_stop)
{
	const struct test_plan plan = UNIT_PLAN(1, 1, 1, 1, 1, 5000);
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, MS(1000));
	ck_assert_uint_eq(test_run_ms(&t, MS(3500)), 2500);
	ck_assert_uint_eq(test_remaining_ms(&t, MS(3500)), 2500);
	ck_assert_uint_eq(test_remaining_ms(&t, MS(7000)), 0);
	t.state = TEST_STOPPED;
	t.over_ns = MS(4000);
	ck_assert_uint_eq(test_run_ms(&t, MS(9000)), 3000);
	ck_assert_uint_eq(test_remaining_ms(&t, MS(4000)), 0);
}
END_TEST

START_TEST(time_beyond_the_clock_never_ends)
{
	const struct test_plan plan = UNIT_PLAN(1, 1, 1, 1, 1, UINT64_MAX);
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, MS(1000));
	ck_assert_uint_eq(t.end_ns, CLOCK_NEVER - 1);
	ck_assert(!t.ending);
	ck_assert_uint_eq(t.due_ns, MS(1001));
}
END_TEST

/* An interval that leads past what the clock counts leads to the end. */
START_TEST(interval_beyond_the_clock_leads_to_the_end)
{
	const uint64_t years = UINT64_MAX / NS_PER_MS + 1000; /* in ms: wraps to under a second */
	const struct test_plan plan = UNIT_PLAN(1, 1, 1, years, years, years);
	struct test t = { 0 };

	test_init(&t, 1, &plan, 1, MS(1000));
	ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
}
END_TEST

UNIT_SUITE(test, twenty_ticks_of_one_byte_with_total_ten, total_is_reached_exactly_and_then_freed,
	   tick_due_exactly_at_the_end_still_runs,
	   late_ticks_are_caught_up_but_100_ms_worth_at_most,
	   intervals_and_sizes_stay_in_their_bounds, same_seed_and_id_give_the_same_run,
	   refused_allocations_are_calls_and_errors,
	   large_chunk_takes_many_slices_and_counts_as_held,
	   stopped_in_the_middle_of_emptying_it_keeps_the_rest, times_shown_count_to_the_stop,
	   time_beyond_the_clock_never_ends, interval_beyond_the_clock_leads_to_the_end)
