/* SPDX-License-Identifier: BSD-2-Clause */
/* What one test does when it is due. The check for its total comes first in a tick, then
   one allocation: with total 10 and pieces of 1, the eleventh tick frees and allocates. */
#include "test.h"

#include "base/clock.h"

#define CATCH_UP_NS (100 * NS_PER_MS)

static uint64_t pick(struct test *t, uint64_t min, uint64_t max)
{
	return prng_range(&t->random, min, max);
}

/* What lies past all that the clock counts never comes. */
static uint64_t add_ms(uint64_t from_ns, uint64_t ms)
{
	uint64_t ns;

	if (__builtin_mul_overflow(ms, NS_PER_MS, &ns) || __builtin_add_overflow(from_ns, ns, &ns))
		return CLOCK_NEVER - 1;
	return ns;
}

void test_init(struct test *t, uint64_t id, const struct test_plan *plan, uint64_t seed,
	       uint64_t now_ns)
{
	t->id = id;
	t->plan = *plan;
	t->state = TEST_RUNNING;
	prng_seed(&t->random, seed + id);
	t->start_ns = now_ns;
	t->end_ns = add_ms(now_ns, plan->time_ms);
	t->due_ns = now_ns;
	test_set_next(t, now_ns);
}

void test_set_next(struct test *t, uint64_t now_ns)
{
	uint64_t next = add_ms(t->due_ns, pick(t, t->plan.min_ms, t->plan.max_ms));

	if (now_ns > CATCH_UP_NS && next < now_ns - CATCH_UP_NS)
		next = now_ns - CATCH_UP_NS;
	t->ending = next > t->end_ns;
	t->due_ns = t->ending ? t->end_ns : next;
}

void test_tick(struct test *t)
{
	if (t->ending) {
		t->phase = TEST_EMPTYING;
	} else if (t->pool.bytes >= t->plan.total_bytes) {
		t->stats.overflows++;
		t->phase = TEST_EMPTYING;
	} else {
		t->phase = TEST_ALLOCATING;
	}
}

/* False when there is nothing to fill. */
static bool allocate(struct test *t)
{
	uint64_t room = t->plan.total_bytes - t->pool.bytes;
	uint64_t size = pick(t, t->plan.min_bytes, t->plan.max_bytes);

	t->stats.calls++;
	if (transit_in(&t->moving, size < room ? size : room, NULL) == 0)
		return true;
	t->stats.errors++;
	return false;
}

static void keep(struct test *t)
{
	uint64_t size = t->moving.chunk.size;

	if (chunk_push(&t->pool, &t->moving.chunk) == 0) {
		t->stats.bytes += size;
		return;
	}
	t->stats.errors++;
	transit_out(&t->moving, &t->moving.chunk, false);
}

/* A stopped test keeps what it holds, so it stops emptying after the chunk in hand. */
static bool empty(struct test *t, struct slice *slice)
{
	bool for_good = t->ending || t->state == TEST_LEAVING;

	if (t->state == TEST_STOPPED)
		return t->moving.stage == TRANSIT_IDLE ||
		       transit_out_step(&t->moving, slice, &t->stats.corruptions);
	return transit_drain(&t->moving, &t->pool, for_good, slice, &t->stats.corruptions);
}

bool test_advance(struct test *t, struct slice *slice)
{
	for (;;) {
		switch (t->phase) {
		case TEST_EMPTYING:
			if (!empty(t, slice))
				return false;
			t->phase = t->state == TEST_RUNNING && !t->ending ? TEST_ALLOCATING :
									    TEST_IDLE;
			break;
		case TEST_ALLOCATING:
			t->phase = allocate(t) ? TEST_FILLING : TEST_IDLE;
			break;
		case TEST_FILLING:
			/* It was stopped meanwhile. After mt.reset nothing may arrive any more. */
			if (t->moving.stage == TRANSIT_FILLING && t->state != TEST_RUNNING)
				transit_out(&t->moving, &t->moving.chunk, true);
			if (t->moving.stage == TRANSIT_FILLING) {
				if (!transit_in_step(&t->moving, slice))
					return false;
				keep(t);
			}
			if (t->moving.stage != TRANSIT_IDLE &&
			    !transit_out_step(&t->moving, slice, &t->stats.corruptions))
				return false;
			t->phase = TEST_IDLE;
			break;
		case TEST_IDLE:
			return true;
		}
	}
}

uint64_t test_held_bytes(const struct test *t)
{
	return t->pool.bytes + (t->moving.stage == TRANSIT_IDLE ? 0 : t->moving.chunk.size);
}

uint64_t test_run_ms(const struct test *t, uint64_t now_ns)
{
	return ((t->state == TEST_RUNNING ? now_ns : t->over_ns) - t->start_ns) / NS_PER_MS;
}

uint64_t test_remaining_ms(const struct test *t, uint64_t now_ns)
{
	if (t->state != TEST_RUNNING || now_ns >= t->end_ns)
		return 0;
	return (t->end_ns - now_ns) / NS_PER_MS;
}
