/* SPDX-License-Identifier: BSD-2-Clause */
/* Ramps: leaks that are at their limit at their time, whatever comes between. */
#include "inject/release.h"
#include "tests/slope.h"
#include "tests/unit.h"

static struct test_plan ramp(uint64_t size, uint64_t limit, uint64_t ms)
{
	struct test_plan plan = slope_plan(SHAPE_RAMP, 0, size, limit, TEST_NO_END);

	plan.ramp_ms = ms;
	return plan;
}

static double even(const struct test *t, double seconds)
{
	return (double)t->plan.total_bytes * seconds * 1000 / (double)t->plan.ramp_ms;
}

START_TEST(ramp_is_at_its_limit_at_its_time_and_stays)
{
	static const struct {
		uint64_t size, limit, ms;
	} cases[] = {
		{ 64 * KIB, 2 * GIB, 600000 }, { 7, 1000, 10000 },   { 1, 100, 7 },	   { 64 * KIB, 64 * KIB, 60000 },
		{ 4097, 10 * MIB + 1, 3333 },  { MIB, 10 * MIB, 1 }, { 3, 999983, 86400000 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = ramp(cases[i].size, cases[i].limit, cases[i].ms);
		uint64_t end = START + MS(cases[i].ms), last = cases[i].limit % cases[i].size;
		struct test t;

		slope_start(&t, &plan);
		if (cases[i].ms > 100) /* else several chunks come together once a millisecond */
			slope_run_until(&t, cases[i].ms - 1, even);
		while (t.due_ns < end) {
			slope_now = t.due_ns;
			slope_run_due(&t);
		}
		/* All but the last chunk is there; that one is due at the very end, to the nanosecond. Faster ones come once a
		   millisecond, several at a time. */
		if (cases[i].size * cases[i].ms >= 2 * cases[i].limit) {
			ck_assert_uint_eq(t.pool.bytes, cases[i].limit - (last ? last : cases[i].size));
			ck_assert_uint_eq(t.paced_ns, end);
		}
		ck_assert_uint_lt(t.pool.bytes, cases[i].limit);
		ck_assert_uint_lt(t.due_ns, end + NS_PER_MS);
		slope_now = t.due_ns;
		slope_run_due(&t);
		ck_assert_uint_eq(t.pool.bytes, cases[i].limit);
		ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
		ck_assert(!t.ending);
		ck_assert_uint_eq(test_remaining_ms(&t, slope_now), 0);
		slope_free_held(&t);
	}
}
END_TEST

START_TEST(ramp_aims_at_its_limit_whatever_was_freed_or_refused)
{
	struct test_plan plan = ramp(64 * KIB, 100 * MIB, 10000);
	struct test t;
	struct chunk c;

	slope_start(&t, &plan);
	slope_run_until(&t, 5000, even);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(5000)), 5000);
	for (int i = 0; i < 400; i++) {
		ck_assert(chunk_pop(&t.pool, &c));
		release_chunk(&c, false);
	}
	slope_refusing = true;
	while (slope_now < START + MS(8000)) {
		slope_now = t.due_ns;
		slope_run_due(&t);
	}
	ck_assert_uint_gt(t.stats.errors, 20);
	slope_refusing = false;
	while (t.due_ns <= START + MS(10001)) {
		slope_now = t.due_ns;
		slope_run_due(&t);
	}
	ck_assert_uint_eq(t.pool.bytes, 100 * MIB);
	ck_assert_uint_ge(slope_now, START + MS(10000));
	slope_free_held(&t);
}
END_TEST

/* At the pace of the whole. */
START_TEST(what_is_freed_from_a_ramp_that_is_over_comes_again)
{
	struct test_plan plan = ramp(MIB, 100 * MIB, 10000);
	struct test t;
	struct chunk c;

	slope_start(&t, &plan);
	while (!t.resting) {
		slope_now = t.due_ns;
		slope_run_due(&t);
	}
	slope_now = START + MS(60000);
	for (int i = 0; i < 2; i++) {
		ck_assert(chunk_pop(&t.pool, &c));
		release_chunk(&c, false);
	}
	ck_assert(test_wants_more(&t));
	test_resume(&t, slope_now);
	ck_assert_uint_eq(t.due_ns, slope_now + MS(100));
	slope_now = t.due_ns;
	slope_run_due(&t);
	ck_assert_uint_eq(t.due_ns, slope_now + MS(100));
	slope_now = t.due_ns;
	slope_run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, 100 * MIB);
	ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
	slope_free_held(&t);
}
END_TEST

UNIT_SUITE(ramp, ramp_is_at_its_limit_at_its_time_and_stays,
	   ramp_aims_at_its_limit_whatever_was_freed_or_refused,
	   what_is_freed_from_a_ramp_that_is_over_comes_again)
