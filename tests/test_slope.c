/* SPDX-License-Identifier: BSD-2-Clause */
/* The time, the allocator and the steps that the tests of leaks and ramps share. */
#include "tests/slope.h"

#include <stddef.h>

#include "host/real.h"
#include "inject/content.h"
#include "inject/release.h"
#include "tests/unit.h"

uint64_t slope_now;
bool slope_refusing;

static void *give_nothing(size_t size)
{
	static char block[64 << 10];

	(void)size;
	return slope_refusing ? NULL : block;
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
	slope_refusing = false;
	real.malloc = give_nothing;
	real.realloc = shrink_nothing;
	real.free = take_nothing;
	real.malloc_usable_size = measure_nothing;
}

void slope_forget(void)
{
	real = allocator;
}

/* Without giving pages back, which are not there. */
void slope_free_held(struct test *t)
{
	struct chunk c;

	while (chunk_pop(&t->pool, &c))
		release_chunk(&c, false);
	slope_forget();
}

void slope_start(struct test *t, const struct test_plan *plan)
{
	pretend();
	slope_now = START;
	*t = (struct test){ 0 };
	test_init(t, 1, plan, 1, slope_now);
}

void slope_tick(struct test *t)
{
	struct slice slice = UNIT_MUCH_TIME;

	test_tick(t);
	ck_assert(test_advance(t, &slice));
	ck_assert_int_eq(t->phase, TEST_IDLE);
	if (!t->ending)
		test_set_next(t, slope_now);
}

void slope_run_due(struct test *t)
{
	while (!t->ending && t->due_ns <= slope_now)
		slope_tick(t);
}

void slope_run_until(struct test *t, uint64_t ms, double (*line)(const struct test *t, double seconds))
{
	while (!t->ending && t->due_ns <= START + MS(ms)) {
		double wanted;

		slope_now = t->due_ns > slope_now ? t->due_ns : slope_now;
		slope_run_due(t);
		wanted = line(t, (double)(slope_now - START) / (double)NS_PER_S);
		ck_assert_double_gt((double)t->pool.bytes, wanted - (double)t->plan.max_bytes);
		ck_assert_double_lt((double)t->pool.bytes, wanted + (double)t->plan.max_bytes);
	}
}

struct test_plan slope_plan(enum shape shape, uint64_t rate, uint64_t size, uint64_t limit, uint64_t time_ms)
{
	return (struct test_plan){ .min_bytes = size,
				   .max_bytes = size,
				   .total_bytes = limit,
				   .time_ms = time_ms,
				   .shape = shape,
				   .rate_bytes = rate,
				   .period_ms = 1000 };
}
