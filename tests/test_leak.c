/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaks: tests that only grow, with the time given by hand and an allocator that gives nothing away. */
#include "base/clock.h"
#include "host/real.h"
#include "inject/content.h"
#include "inject/test.h"
#include "tests/unit.h"

#define MS(n) ((n) * NS_PER_MS)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)
#define START MS(UINT64_C(5000))

static uint64_t now;
static bool refusing;

static void *give_nothing(size_t size)
{
	static char block[64 << 10];

	(void)size;
	return refusing ? NULL : block;
}

static void *shrink_nothing(void *at, size_t size)
{
	(void)size;
	return at;
}

static void take_nothing(void *at)
{
	(void)at;
}

static size_t measure_nothing(void *at)
{
	(void)at;
	return 16;
}

static struct heap allocator;

/* Ten seconds of a gigabyte a second are more than the machine has. */
static void pretend(void)
{
	allocator = real;
	atomic_store(&content_touch, 0);
	refusing = false;
	real.malloc = give_nothing;
	real.realloc = shrink_nothing;
	real.free = take_nothing;
	real.malloc_usable_size = measure_nothing;
}

/* Without giving pages back, which are not there. */
static void free_held(struct test *t)
{
	struct chunk c;

	while (chunk_pop(&t->pool, &c))
		transit_release(&c, false);
	real = allocator;
}

static void start(struct test *t, const struct test_plan *plan)
{
	pretend();
	now = START;
	*t = (struct test){ 0 };
	test_init(t, 1, plan, 1, now);
}

static void tick(struct test *t)
{
	struct slice slice = UNIT_MUCH_TIME;

	test_tick(t);
	ck_assert(test_advance(t, &slice));
	ck_assert_int_eq(t->phase, TEST_IDLE);
	if (!t->ending)
		test_set_next(t, now);
}

/* Runs what is due at `now`, but not the end. */
static void run_due(struct test *t)
{
	while (!t->ending && t->due_ns <= now)
		tick(t);
}

/* Punctually, until that long after the start. Fails where a moment finds the leak off its line. */
static void run_until(struct test *t, uint64_t ms, double (*line)(const struct test *t, double seconds))
{
	while (!t->ending && t->due_ns <= START + MS(ms)) {
		double wanted;

		now = t->due_ns > now ? t->due_ns : now;
		run_due(t);
		wanted = line(t, (double)(now - START) / (double)NS_PER_S);
		ck_assert_double_gt((double)t->pool.bytes, wanted - (double)t->plan.max_bytes);
		ck_assert_double_lt((double)t->pool.bytes, wanted + (double)t->plan.max_bytes);
	}
}

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

static struct test_plan leak(enum shape shape, uint64_t rate, uint64_t size, uint64_t limit, uint64_t time_ms)
{
	return (struct test_plan){ .min_bytes = size,
				   .max_bytes = size,
				   .total_bytes = limit,
				   .time_ms = time_ms,
				   .shape = shape,
				   .rate_bytes = rate,
				   .period_ms = 1000 };
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
		struct test_plan plan = leak(SHAPE_RATE, cases[i].rate, cases[i].size, UINT64_MAX, TEST_NO_END);
		double wanted = (double)(cases[i].seconds * cases[i].rate), late = (double)cases[i].rate / 1000;
		struct test t;

		start(&t, &plan);
		ck_assert_uint_ge(t.due_ns, START + NS_PER_MS); /* the slope begins at nothing */
		run_until(&t, 1000 * cases[i].seconds, straight);
		/* Chunks that take less than a millisecond come together once a millisecond. */
		ck_assert_double_ge((double)t.pool.bytes, wanted - (double)cases[i].size - late);
		ck_assert_double_le((double)t.pool.bytes, wanted + (double)cases[i].size);
		ck_assert_uint_gt(t.due_ns, START + MS(1000 * cases[i].seconds));
		ck_assert_uint_eq(t.stats.errors, 0);
		ck_assert_uint_eq(t.stats.bytes, t.pool.bytes);
		ck_assert_uint_eq(t.stats.overflows, 0);
		free_held(&t);
	}
}
END_TEST

START_TEST(leak_wakes_once_a_millisecond_at_most)
{
	struct test_plan plan = leak(SHAPE_RATE, GIB, 64 * KIB, UINT64_MAX, TEST_NO_END);
	unsigned wakes = 0;
	struct test t;

	for (start(&t, &plan); t.due_ns <= START + MS(100); wakes++) {
		now = t.due_ns;
		run_due(&t);
	}
	ck_assert_uint_eq(wakes, 100);
	free_held(&t);
}
END_TEST

static struct test_plan ramp(uint64_t size, uint64_t limit, uint64_t ms)
{
	struct test_plan plan = leak(SHAPE_RAMP, 0, size, limit, TEST_NO_END);

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

		start(&t, &plan);
		if (cases[i].ms > 100) /* else several chunks come together once a millisecond */
			run_until(&t, cases[i].ms - 1, even);
		while (t.due_ns < end) {
			now = t.due_ns;
			run_due(&t);
		}
		/* All but the last chunk is there; that one is due at the very end, to the nanosecond. Faster ones come once a
		   millisecond, several at a time. */
		if (cases[i].size * cases[i].ms >= 2 * cases[i].limit) {
			ck_assert_uint_eq(t.pool.bytes, cases[i].limit - (last ? last : cases[i].size));
			ck_assert_uint_eq(t.paced_ns, end);
		}
		ck_assert_uint_lt(t.pool.bytes, cases[i].limit);
		ck_assert_uint_lt(t.due_ns, end + NS_PER_MS);
		now = t.due_ns;
		run_due(&t);
		ck_assert_uint_eq(t.pool.bytes, cases[i].limit);
		ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
		ck_assert(!t.ending);
		ck_assert_uint_eq(test_remaining_ms(&t, now), 0);
		free_held(&t);
	}
}
END_TEST

START_TEST(ramp_aims_at_its_limit_whatever_was_freed_or_refused)
{
	struct test_plan plan = ramp(64 * KIB, 100 * MIB, 10000);
	struct test t;
	struct chunk c;

	start(&t, &plan);
	run_until(&t, 5000, even);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(5000)), 5000);
	for (int i = 0; i < 400; i++) {
		ck_assert(chunk_pop(&t.pool, &c));
		transit_release(&c, false);
	}
	refusing = true;
	while (now < START + MS(8000)) {
		now = t.due_ns;
		run_due(&t);
	}
	ck_assert_uint_gt(t.stats.errors, 20);
	refusing = false;
	while (t.due_ns <= START + MS(10001)) {
		now = t.due_ns;
		run_due(&t);
	}
	ck_assert_uint_eq(t.pool.bytes, 100 * MIB);
	ck_assert_uint_ge(now, START + MS(10000));
	free_held(&t);
}
END_TEST

/* At the pace of the whole. */
START_TEST(what_is_freed_from_a_ramp_that_is_over_comes_again)
{
	struct test_plan plan = ramp(MIB, 100 * MIB, 10000);
	struct test t;
	struct chunk c;

	start(&t, &plan);
	while (!t.resting) {
		now = t.due_ns;
		run_due(&t);
	}
	now = START + MS(60000);
	for (int i = 0; i < 2; i++) {
		ck_assert(chunk_pop(&t.pool, &c));
		transit_release(&c, false);
	}
	ck_assert(test_wants_more(&t));
	test_resume(&t, now);
	ck_assert_uint_eq(t.due_ns, now + MS(100));
	now = t.due_ns;
	run_due(&t);
	ck_assert_uint_eq(t.due_ns, now + MS(100));
	now = t.due_ns;
	run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, 100 * MIB);
	ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
	free_held(&t);
}
END_TEST

START_TEST(step_takes_all_at_once_and_stays)
{
	struct test_plan plan = leak(SHAPE_STEP, 1, 64 * KIB, 10 * MIB + 1, TEST_NO_END);
	struct test t;

	start(&t, &plan);
	ck_assert_uint_eq(t.due_ns, START);
	run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, 10 * MIB + 1);
	ck_assert_uint_eq(t.stats.calls, 161);
	ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
	ck_assert(!t.ending);
	free_held(&t);
}
END_TEST

START_TEST(exp_doubles_its_rate_with_every_period)
{
	/* The last but one takes several periods over its first chunks. */
	static const struct {
		uint64_t rate, size;
	} cases[] = { { MIB, 64 * KIB }, { 100, 1 }, { KIB, 64 * KIB }, { 1, 1000 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = leak(SHAPE_EXP, cases[i].rate, cases[i].size, UINT64_MAX, TEST_NO_END);
		struct test t;

		start(&t, &plan);
		for (uint64_t s = 1; s <= 10; s++) {
			double wanted;

			run_until(&t, s * 1000, doubling);
			now = START + MS(s * 1000);
			run_due(&t);
			wanted = doubling(&t, (double)s);
			ck_assert_double_gt((double)t.pool.bytes,
					    wanted * (1 - 1 / 500.) - (double)cases[i].size);
			ck_assert_double_le((double)t.pool.bytes, wanted + (double)cases[i].size);
		}
		ck_assert_uint_gt(t.stats.calls, 0);
		free_held(&t);
	}
}
END_TEST

START_TEST(exp_that_has_doubled_for_ever_stays_a_rate)
{
	struct test_plan plan = leak(SHAPE_EXP, 1, CHUNK_BYTES_MAX, UINT64_MAX, TEST_NO_END);
	struct test t;

	plan.period_ms = 1;
	start(&t, &plan);
	ck_assert_uint_gt(t.due_ns, START + MS(40)); /* 2^40 bytes a second at the most: 2^44 take 16 of them */
	ck_assert_uint_lt(t.due_ns, START + MS(17000));
	now = t.due_ns;
	tick(&t);
	ck_assert_uint_ge(t.due_ns, now + MS(15999));
	ck_assert_uint_le(t.due_ns, now + MS(16001));
	free_held(&t);
}
END_TEST

START_TEST(limit_is_reached_exactly_and_held_to_the_end)
{
	static const struct {
		uint64_t limit, chunks;
	} cases[] = { { 64 * KIB, 1 }, { 100001, 2 }, { 128 * KIB, 2 }, { MIB + 1, 17 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct test_plan plan = leak(SHAPE_RATE, MIB, 64 * KIB, cases[i].limit, 60000);
		struct test t;

		start(&t, &plan);
		while (t.pool.bytes < cases[i].limit) {
			ck_assert(!t.ending);
			now = t.due_ns;
			run_due(&t);
		}
		ck_assert_uint_eq(t.pool.bytes, cases[i].limit);
		ck_assert_uint_eq(t.stats.calls, cases[i].chunks);
		ck_assert_uint_eq(t.stats.overflows, 0);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(60000));
		now = t.due_ns;
		tick(&t);
		ck_assert_uint_eq(test_held_bytes(&t), 0);
		ck_assert_uint_eq(t.stats.bytes, cases[i].limit);
		ck_assert_uint_eq(budget_used(), 0);
		free_held(&t);
	}
}
END_TEST

START_TEST(leak_from_which_was_freed_goes_on_to_its_limit)
{
	static const enum shape shapes[] = { SHAPE_RATE, SHAPE_EXP, SHAPE_STEP };

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct test_plan plan = leak(shapes[i], MIB, 64 * KIB, MIB, 60000);
		struct chunk c;
		struct test t;

		start(&t, &plan);
		while (t.pool.bytes < MIB) {
			now = t.due_ns;
			run_due(&t);
		}
		ck_assert(!test_wants_more(&t));
		now = START + MS(8000);
		for (unsigned n = 0; n < 8; n++) {
			ck_assert(chunk_pop(&t.pool, &c));
			transit_release(&c, false);
		}
		ck_assert(test_wants_more(&t));
		test_resume(&t, now);
		ck_assert(!test_wants_more(&t));
		ck_assert(!t.ending);
		/* A sixteenth of a second for each; eight periods later 256 times faster. */
		if (shapes[i] == SHAPE_RATE)
			ck_assert_uint_eq((t.due_ns - now + 1) / 10, NS_PER_S / 16 / 10); /* to rounding */
		else
			ck_assert_uint_le(t.due_ns, now + NS_PER_MS);
		while (t.pool.bytes < MIB) {
			ck_assert(!t.ending);
			now = t.due_ns;
			run_due(&t);
		}
		if (shapes[i] == SHAPE_RATE)
			ck_assert_uint_eq((now + 1) / 10, (START + MS(8500)) / 10);
		ck_assert_uint_eq(t.pool.bytes, MIB);
		ck_assert_uint_eq(t.stats.calls, 24);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(60000));
		t.state = TEST_STOPPED;
		ck_assert(chunk_pop(&t.pool, &c));
		transit_release(&c, false);
		ck_assert(!test_wants_more(&t));
		free_held(&t);
	}
}
END_TEST

START_TEST(time_ends_it_before_its_limit)
{
	struct test_plan plan = leak(SHAPE_RATE, MIB, 64 * KIB, UINT64_MAX, 5000);
	struct test t;

	start(&t, &plan);
	run_until(&t, 60000, straight);
	ck_assert(t.ending);
	ck_assert_uint_eq(t.due_ns, START + MS(5000));
	ck_assert_uint_eq(t.pool.bytes, 5 * MIB);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(2000)), 3000);
	tick(&t);
	ck_assert_uint_eq(test_held_bytes(&t), 0);
	ck_assert_uint_eq(budget_used(), 0);
	real = allocator;
}
END_TEST

START_TEST(what_was_refused_is_asked_for_again_after_100_ms)
{
	static const uint64_t rates[] = { 1, MIB, GIB };

	for (size_t i = 0; i < COUNT(rates); i++) {
		struct test_plan plan = leak(SHAPE_RATE, rates[i], 64 * KIB, UINT64_MAX, TEST_NO_END);
		struct test t;

		start(&t, &plan);
		refusing = true;
		for (uint64_t tries = 1; tries <= 3; tries++) {
			now = t.due_ns;
			tick(&t);
			ck_assert_uint_eq(t.due_ns, now + MS(100));
			ck_assert_uint_eq(t.stats.errors, tries);
			ck_assert_str_eq(t.refusal, "65536 bytes asked, the allocator refused");
		}
		refusing = false;
		now = t.due_ns;
		tick(&t);
		ck_assert_uint_eq(t.stats.errors, 3);
		ck_assert_uint_eq(t.stats.calls, 4);
		ck_assert_uint_eq(t.pool.bytes, 64 * KIB);
		free_held(&t);
	}
}
END_TEST

/* The budget says the same of a step, which has no interval that could hold it up. */
START_TEST(step_beyond_the_budget_is_asked_for_ten_times_a_second)
{
	struct test_plan plan = leak(SHAPE_STEP, 1, 64 * KIB, MIB, TEST_NO_END);
	struct test t;

	atomic_store(&budget_max_bytes, 600 * KIB);
	start(&t, &plan);
	for (unsigned tries = 1; tries <= 10; tries++) {
		now = t.due_ns;
		run_due(&t);
		ck_assert_uint_eq(t.pool.bytes, 576 * KIB);
		ck_assert_uint_eq(t.stats.errors, tries);
	}
	ck_assert_str_eq(t.refusal, "65536 bytes asked, 589824 held, max_bytes is 614400");
	ck_assert_uint_eq(t.due_ns, START + MS(1000));
	atomic_store(&budget_max_bytes, 0);
	now = t.due_ns;
	run_due(&t);
	ck_assert_uint_eq(t.pool.bytes, MIB);
	free_held(&t);
}
END_TEST

/* What a leak of 1 MiB a second in chunks of 1 KiB catches up when its first look comes so late. */
static uint64_t caught_up_after(uint64_t ms)
{
	struct test_plan plan = leak(SHAPE_RATE, MIB, KIB, UINT64_MAX, TEST_NO_END);
	struct test t;
	uint64_t bytes;

	start(&t, &plan);
	now = START + MS(ms);
	run_due(&t);
	bytes = t.pool.bytes;
	ck_assert_uint_gt(t.due_ns, now);
	free_held(&t);
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
	struct test_plan plan = leak(SHAPE_RATE, MIB, 64 * KIB, UINT64_MAX, TEST_NO_END);
	struct test t;

	start(&t, &plan);
	ck_assert_uint_eq(test_remaining_ms(&t, START), 0);
	ck_assert_uint_eq(test_remaining_ms(&t, START + MS(1000000)), 0);
	ck_assert_uint_eq(test_run_ms(&t, START + MS(1000000)), 1000000);
	ck_assert(!t.ending);
	real = allocator;
}
END_TEST

/* At a byte a second, 16 TiB take longer than the clock counts: not due, rather than due at once. */
START_TEST(chunk_beyond_the_clock_is_never_due)
{
	static const enum shape shapes[] = { SHAPE_RATE, SHAPE_EXP };

	for (size_t i = 0; i < COUNT(shapes); i++) {
		struct test_plan plan = leak(shapes[i], 1, CHUNK_BYTES_MAX, UINT64_MAX, 1000);
		struct test t;

		plan.period_ms = UINT64_MAX;
		start(&t, &plan);
		ck_assert(t.ending);
		ck_assert_uint_eq(t.due_ns, START + MS(1000));
		free_held(&t);
		plan.time_ms = TEST_NO_END;
		start(&t, &plan);
		ck_assert(!t.ending);
		ck_assert_uint_eq(t.due_ns, CLOCK_NEVER - 1);
		free_held(&t);
	}
}
END_TEST

UNIT_SUITE(leak, rate_is_held_within_one_chunk, leak_wakes_once_a_millisecond_at_most,
	   ramp_is_at_its_limit_at_its_time_and_stays,
	   ramp_aims_at_its_limit_whatever_was_freed_or_refused, what_is_freed_from_a_ramp_that_is_over_comes_again,
	   step_takes_all_at_once_and_stays, exp_doubles_its_rate_with_every_period,
	   exp_that_has_doubled_for_ever_stays_a_rate, limit_is_reached_exactly_and_held_to_the_end,
	   leak_from_which_was_freed_goes_on_to_its_limit, time_ends_it_before_its_limit, what_was_refused_is_asked_for_again_after_100_ms,
	   step_beyond_the_budget_is_asked_for_ten_times_a_second, lateness_is_caught_up_but_no_more_than_100_ms_of_it, endless_leak_has_nothing_remaining,
	   chunk_beyond_the_clock_is_never_due)
