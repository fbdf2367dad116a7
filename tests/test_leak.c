/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaks: their rate, their limit, and what comes late or is refused. */
#include "inject/release.h"
#include "tests/slope.h"
#include "tests/unit.h"

static double straight(const struct test *t, double seconds)
{
	return (double)t->plan.rate_bytes * seconds;
}

/* The sum over the periods that are over, and the part of this one: exact where the periods are seconds. */
static double doubling(const struct test *t, double seconds)
{
	uint64_t over = (uint64_t)seconds;
	double rate = (double)t->plan.rate_bytes * (double)(UINT64_C(1) << over);

	return rate - (double)t->plan.rate_bytes + rate * (seconds - (double)over);
}

START_TEST(rate_is_held_within_one_chunk)
{
	static const struct {
		uint64_t rate, size, seconds;
	} cases[] = {
		{ MIB, 64 * KIB, 10 }, { 1, 1, 10 },		{ 1, 64 * KIB, 10 },  { GIB, 64 * KIB, 1 },
		{ 3, 7, 10 },	       { 1000, 100 * KIB, 10 }, { 999983, 4097, 10 }, { 30 * MIB, 100, 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = slope_plan(SHAPE_RATE, cases[i].rate, cases[i].size, UINT64_MAX, TEST_NO_END);
		double wanted = (double)(cases[i].seconds * cases[i].rate), late = (double)cases[i].rate / 1000;
		struct test t;

		slope_start(&t, &plan);
		ck_assert_uint_ge(t.due_ns, START + NS_PER_MS); /* the slope begins at nothing */
		slope_run_until(&t, 1000 * cases[i].seconds, straight);
		/* Chunks that take less than a millisecond come together once a millisecond. */
		ck_assert_double_ge((double)t.pool.bytes, wanted - (double)cases[i].size - late);
		ck_assert_double_le((double)t.pool.bytes, wanted + (double)cases[i].size);
		ck_assert_uint_gt(t.due_ns, START + MS(1000 * cases[i].seconds));
		ck_assert_uint_eq(t.stats.errors, 0);
		ck_assert_uint_eq(t.stats.bytes, t.pool.bytes);
		ck_assert_uint_eq(t.stats.overflows, 0);
		slope_free_held(&t);
	}
}
END_TEST

START_TEST(leak_wakes_once_a_millisecond_at_most)
{
	struct test_plan plan = slope_plan(SHAPE_RATE, GIB, 64 * KIB, UINT64_MAX, TEST_NO_END);
	unsigned wakes = 0;
	struct test t;

	for (slope_start(&t, &plan); t.due_ns <= START + MS(100); wakes++) {
		slope_now = t.due_ns;
		slope_run_due(&t);
	}
	ck_assert_uint_eq(wakes, 100);
	slope_free_held(&t);
}
END_TEST

START_TEST(step_takes_all_at_once_and_stays)
{
	struct test_plan plan = slope_plan(SHAPE_STEP, 1, 64 * KIB, 10 * MIB + 1, TEST_NO_END);
	struct test t;

	slope_start(&t, &plan);
	ck_assert_uint_eq(t.due_ns, START);
	slope_run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, 10 * MIB + 1);
	ck_assert_uint_eq(t.stats.calls, 161);
	ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
	ck_assert(!t.ending);
	slope_free_held(&t);
}
END_TEST

START_TEST(exp_doubles_its_rate_with_every_period)
{
	/* The last but one takes several periods over its first chunks. */
	static const struct {
		uint64_t rate, size;
	} cases[] = { { MIB, 64 * KIB }, { 100, 1 }, { KIB, 64 * KIB }, { 1, 1000 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = slope_plan(SHAPE_EXP, cases[i].rate, cases[i].size, UINT64_MAX, TEST_NO_END);
		struct test t;

		slope_start(&t, &plan);
		for (uint64_t s = 1; s <= 10; s++) {
			double wanted;

			slope_run_until(&t, s * 1000, doubling);
			slope_now = START + MS(s * 1000);
			slope_run_due(&t);
			wanted = doubling(&t, (double)s);
			ck_assert_double_gt((double)t.pool.bytes,
					    wanted * (1 - 1 / 500.) - (double)cases[i].size);
			ck_assert_double_le((double)t.pool.bytes, wanted + (double)cases[i].size);
		}
		ck_assert_uint_gt(t.stats.calls, 0);
		slope_free_held(&t);
	}
}
END_TEST

START_TEST(exp_that_has_doubled_for_ever_stays_a_rate)
{
	struct test_plan plan = slope_plan(SHAPE_EXP, 1, CHUNK_BYTES_MAX, UINT64_MAX, TEST_NO_END);
	struct test t;

	plan.period_ms = 1;
	slope_start(&t, &plan);
	ck_assert_uint_gt(t.due_ns, START + MS(40)); /* 2^40 bytes a second at the most: 2^44 take 16 of them */
	ck_assert_uint_lt(t.due_ns, START + MS(17000));
	slope_now = t.due_ns;
	slope_tick(&t);
	ck_assert_uint_ge(t.due_ns, slope_now + MS(15999));
	ck_assert_uint_le(t.due_ns, slope_now + MS(16001));
	slope_free_held(&t);
}
END_TEST

START_TEST(limit_is_reached_exactly_and_held_to_the_end)
{
	static const struct {
		uint64_t limit, chunks;
	} cases[] = { { 64 * KIB, 1 }, { 100001, 2 }, { 128 * KIB, 2 }, { MIB + 1, 17 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = slope_plan(SHAPE_RATE, MIB, 64 * KIB, cases[i].limit, 60000);
		struct test t;

		slope_start(&t, &plan);
		while (t.pool.bytes < cases[i].limit) {
			ck_assert(!t.ending);
			slope_now = t.due_ns;
			slope_run_due(&t);
		}
		ck_assert_uint_eq(t.pool.bytes, cases[i].limit);
		ck_assert_uint_eq(t.stats.calls, cases[i].chunks);
		ck_assert_uint_eq(t.stats.overflows, 0);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(60000));
		slope_now = t.due_ns;
		slope_tick(&t);
		ck_assert_uint_eq(test_held_bytes(&t), 0);
		ck_assert_uint_eq(t.stats.bytes, cases[i].limit);
		ck_assert_uint_eq(budget_used(), 0);
		slope_free_held(&t);
	}
}
END_TEST

START_TEST(leak_from_which_was_freed_goes_on_to_its_limit)
{
	static const enum shape shapes[] = { SHAPE_RATE, SHAPE_EXP, SHAPE_STEP };

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct test_plan plan = slope_plan(shapes[i], MIB, 64 * KIB, MIB, 60000);
		struct chunk c;
		struct test t;

		slope_start(&t, &plan);
		while (t.pool.bytes < MIB) {
			slope_now = t.due_ns;
			slope_run_due(&t);
		}
		ck_assert(!test_wants_more(&t));
		slope_now = START + MS(8000);
		for (unsigned n = 0; n < 8; n++) {
			ck_assert(chunk_pop(&t.pool, &c));
			release_chunk(&c, false);
		}
		ck_assert(test_wants_more(&t));
		test_resume(&t, slope_now);
		ck_assert(!test_wants_more(&t));
		ck_assert(!t.ending);
		/* A sixteenth of a second for each; eight periods later 256 times faster. */
		if (shapes[i] == SHAPE_RATE)
			ck_assert_uint_eq((t.due_ns - slope_now + 1) / 10, NS_PER_S / 16 / 10); /* to rounding */
		else
			ck_assert_uint_le(t.due_ns, slope_now + NS_PER_MS);
		while (t.pool.bytes < MIB) {
			ck_assert(!t.ending);
			slope_now = t.due_ns;
			slope_run_due(&t);
		}
		if (shapes[i] == SHAPE_RATE)
			ck_assert_uint_eq((slope_now + 1) / 10, (START + MS(8500)) / 10);
		ck_assert_uint_eq(t.pool.bytes, MIB);
		ck_assert_uint_eq(t.stats.calls, 24);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(60000));
		t.state = TEST_STOPPED;
		ck_assert(chunk_pop(&t.pool, &c));
		release_chunk(&c, false);
		ck_assert(!test_wants_more(&t));
		slope_free_held(&t);
	}
}
END_TEST

START_TEST(time_ends_it_before_its_limit)
{
	struct test_plan plan = slope_plan(SHAPE_RATE, MIB, 64 * KIB, UINT64_MAX, 5000);
	struct test t;

	slope_start(&t, &plan);
	slope_run_until(&t, 60000, straight);
	ck_assert(t.ending);
	ck_assert_uint_eq(t.due_ns, START + MS(5000));
	ck_assert_uint_eq(t.pool.bytes, 5 * MIB);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(2000)), 3000);
	slope_tick(&t);
	ck_assert_uint_eq(test_held_bytes(&t), 0);
	ck_assert_uint_eq(budget_used(), 0);
	slope_forget();
}
END_TEST

START_TEST(what_was_refused_is_asked_for_again_after_100_ms)
{
	static const uint64_t rates[] = { 1, MIB, GIB };

	for (size_t i = 0; i < COUNT(rates); i++) {
		struct test_plan plan = slope_plan(SHAPE_RATE, rates[i], 64 * KIB, UINT64_MAX, TEST_NO_END);
		struct test t;

		slope_start(&t, &plan);
		slope_refusing = true;
		for (uint64_t tries = 1; tries <= 3; tries++) {
			slope_now = t.due_ns;
			slope_tick(&t);
			ck_assert_uint_eq(t.due_ns, slope_now + MS(100));
			ck_assert_uint_eq(t.stats.errors, tries);
			ck_assert_str_eq(t.refusal, "65536 bytes asked, the allocator refused");
		}
		slope_refusing = false;
		slope_now = t.due_ns;
		slope_tick(&t);
		ck_assert_uint_eq(t.stats.errors, 3);
		ck_assert_uint_eq(t.stats.calls, 4);
		ck_assert_uint_eq(t.pool.bytes, 64 * KIB);
		slope_free_held(&t);
	}
}
END_TEST

/* The budget says the same of a step, which has no interval that could hold it up. */
START_TEST(step_beyond_the_budget_is_asked_for_ten_times_a_second)
{
	struct test_plan plan = slope_plan(SHAPE_STEP, 1, 64 * KIB, MIB, TEST_NO_END);
	struct test t;

	atomic_store(&budget_max_bytes, 600 * KIB);
	slope_start(&t, &plan);
	for (unsigned tries = 1; tries <= 10; tries++) {
		slope_now = t.due_ns;
		slope_run_due(&t);
		ck_assert_uint_eq(t.pool.bytes, 576 * KIB);
		ck_assert_uint_eq(t.stats.errors, tries);
	}
	ck_assert_str_eq(t.refusal, "65536 bytes asked, 589824 held, max_bytes is 614400");
	ck_assert_uint_eq(t.due_ns, START + MS(1000));
	atomic_store(&budget_max_bytes, 0);
	slope_now = t.due_ns;
	slope_run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, MIB);
	slope_free_held(&t);
}
END_TEST

/* What a leak of 1 MiB a second in chunks of 1 KiB catches up when its first look comes so late. */
static uint64_t caught_up_after(uint64_t ms)
{
	struct test_plan plan = slope_plan(SHAPE_RATE, MIB, KIB, UINT64_MAX, TEST_NO_END);
	struct test t;
	uint64_t bytes;

	slope_start(&t, &plan);
	slope_now = START + MS(ms);
	slope_run_due(&t);
	bytes = t.pool.bytes;
	ck_assert_uint_gt(t.due_ns, slope_now);
	slope_free_held(&t);
	return bytes;
}

START_TEST(lateness_is_caught_up_but_no_more_than_100_ms_of_it)
{
	uint64_t bytes = caught_up_after(10000);

	ck_assert_uint_eq(caught_up_after(100), 102 * KIB); /* of 102.4 */
	ck_assert_uint_ge(bytes, 102 * KIB);
	ck_assert_uint_le(bytes, 104 * KIB);
}
END_TEST

START_TEST(endless_leak_has_nothing_remaining)
{
	struct test_plan plan = slope_plan(SHAPE_RATE, MIB, 64 * KIB, UINT64_MAX, TEST_NO_END);
	struct test t;

	slope_start(&t, &plan);
	ck_assert_uint_eq(test_remaining_ms(&t, START), 0);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(1000000)), 0);
	ck_assert_uint_eq(test_run_ms(&t, START + MS(1000000)), 1000000);
	ck_assert(!t.ending);
	slope_forget();
}
END_TEST

/* At a byte a second, 16 TiB take longer than the clock counts: not due, rather than due at once. */
START_TEST(chunk_beyond_the_clock_is_never_due)
{
	static const enum shape shapes[] = { SHAPE_RATE, SHAPE_EXP };

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct test_plan plan = slope_plan(shapes[i], 1, CHUNK_BYTES_MAX, UINT64_MAX, 1000);
		struct test t;

		plan.period_ms = UINT64_MAX;
		slope_start(&t, &plan);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(1000));
		slope_free_held(&t);
		plan.time_ms = TEST_NO_END;
		slope_start(&t, &plan);
		ck_assert(!t.ending);
		ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
		slope_free_held(&t);
	}
}
END_TEST

UNIT_SUITE(leak, rate_is_held_within_one_chunk, leak_wakes_once_a_millisecond_at_most,
	   step_takes_all_at_once_and_stays, exp_doubles_its_rate_with_every_period,
	   exp_that_has_doubled_for_ever_stays_a_rate, limit_is_reached_exactly_and_held_to_the_end,
	   leak_from_which_was_freed_goes_on_to_its_limit, time_ends_it_before_its_limit, what_was_refused_is_asked_for_again_after_100_ms,
	   step_beyond_the_budget_is_asked_for_ten_times_a_second, lateness_is_caught_up_but_no_more_than_100_ms_of_it, endless_leak_has_nothing_remaining,
	   chunk_beyond_the_clock_is_never_due)
