/* SPDX-License-Identifier: BSD-2-Clause */
/* What one test does when it is due. A test that cycles looks for its total first in a tick, then makes
   one allocation: with total 10 and pieces of 1, the eleventh tick frees and allocates. A leak only grows. */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "inject/release.h"

#define CATCH_UP_NS (100 * NS_PER_MS)
#define LEAK_WAKE_NS NS_PER_MS
#define LEAK_RETRY_NS (100 * NS_PER_MS)
#define DOUBLINGS_MAX 40

_Atomic uint64_t test_realloc_percent;

/* Fowler, Noll and Vo's prime for 64 bits (draft-eastlake-fnv). */
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t pick(struct test *t, uint64_t min, uint64_t max)
{
	uint64_t value = prng_range(&t->random, min, max);

	t->stats.sequence = (t->stats.sequence ^ value) * HASH_PRIME;
	return value;
}

void test_init(struct test *t, uint64_t id, const struct test_plan *plan, uint64_t seed,
	       uint64_t now_ns)
{
	t->id = id;
	t->plan = *plan;
	t->state = TEST_RUNNING;
	t->pool.measured = true;
	prng_seed(&t->random, seed + id);
	t->start_ns = now_ns;
	t->end_ns = clock_add_ms(now_ns, plan->time_ms);
	t->due_ns = t->paced_ns = now_ns;
	test_set_next(t, now_ns);
}

/* How long a ramp takes over its next chunk: such a part of the time left as the chunk is of what is missing. So it is
   at its limit at its time, exactly, whatever was refused or freed meanwhile. Later, what is freed comes again as fast as the whole
   did. */
static uint64_t interval_of_ramp_ns(const struct test *t)
{
	uint64_t top_ns = clock_add_ms(t->start_ns, t->plan.ramp_ms), left_ns = clock_add_ms(0, t->plan.ramp_ms);
	uint64_t missing = t->plan.total_bytes, chunk = t->plan.max_bytes;

	if (t->paced_ns < top_ns) {
		left_ns = top_ns - t->paced_ns;
		missing -= t->pool.bytes;
	}
	if (chunk >= missing)
		return left_ns;
	return (uint64_t)((double)left_ns * ((double)chunk / (double)missing));
}

/* How long a leak takes over its next chunk. Where its rate doubles, a large chunk may take several periods. */
static uint64_t interval_of_leak_ns(struct test *t)
{
	double rate = (double)t->plan.rate_bytes / (double)NS_PER_S, left = (double)t->plan.max_bytes;
	double ns = t->leak_part_ns;

	if (t->plan.shape == SHAPE_STEP)
		return 0;
	if (t->plan.shape == SHAPE_RAMP)
		return interval_of_ramp_ns(t);
	if (t->plan.shape == SHAPE_EXP) {
		uint64_t period = clock_add_ms(0, t->plan.period_ms), since = t->paced_ns - t->start_ns;
		uint64_t doublings = since / period, rest = period - since % period;

		rate *= (double)(UINT64_C(1) << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX));
		for (; doublings < DOUBLINGS_MAX && left > rate * (double)rest; doublings++) {
			left -= rate * (double)rest;
			ns += (double)rest;
			rate *= 2;
			rest = period;
		}
	}
	ns += left / rate;
	if (ns >= (double)(CLOCK_NEVER / 2))
		return CLOCK_NEVER;
	t->leak_part_ns = ns - (double)(uint64_t)ns;
	return (uint64_t)ns;
}

/* The first chunk is due after its interval, so that the slope begins at nothing. */
static void set_next_of_leak(struct test *t, uint64_t now_ns)
{
	t->resting = t->pool.bytes >= t->plan.total_bytes;
	if (t->resting) {
		t->due_ns = CLOCK_NEVER - 1; /* held from here on */
	} else {
		if (__builtin_add_overflow(t->paced_ns, interval_of_leak_ns(t), &t->paced_ns))
			t->paced_ns = CLOCK_NEVER - 1;
		/* What the allocator refuses is not asked for again and again. */
		if (t->failing)
			t->paced_ns = now_ns + LEAK_RETRY_NS;
		if (now_ns > CATCH_UP_NS && t->paced_ns < now_ns - CATCH_UP_NS)
			t->paced_ns = now_ns - CATCH_UP_NS;
		t->due_ns = t->paced_ns;
		if (t->due_ns > now_ns && t->due_ns < now_ns + LEAK_WAKE_NS)
			t->due_ns = now_ns + LEAK_WAKE_NS;
	}
	t->ending = t->due_ns > t->end_ns;
	if (t->ending)
		t->due_ns = t->end_ns;
}

void test_set_next(struct test *t, uint64_t now_ns)
{
	uint64_t next;

	if (t->plan.shape != SHAPE_CYCLE) {
		set_next_of_leak(t, now_ns);
		return;
	}
	next = clock_add_ms(t->paced_ns, pick(t, t->plan.min_ms, t->plan.max_ms));

	if (now_ns > CATCH_UP_NS && next < now_ns - CATCH_UP_NS)
		next = now_ns - CATCH_UP_NS;
	t->paced_ns = next;
	t->ending = next > t->end_ns;
	t->due_ns = t->ending ? t->end_ns : next;
}

bool test_wants_more(const struct test *t)
{
	return t->resting && t->state == TEST_RUNNING && t->phase == TEST_IDLE &&
	       t->pool.bytes < t->plan.total_bytes;
}

void test_resume(struct test *t, uint64_t now_ns)
{
	t->paced_ns = now_ns; /* what it has rested is nothing to catch up */
	t->leak_part_ns = 0;
	set_next_of_leak(t, now_ns);
}

void test_tick(struct test *t)
{
	if (t->ending) {
		t->phase = TEST_EMPTYING;
	} else if (t->plan.shape == SHAPE_CYCLE && t->pool.bytes >= t->plan.total_bytes) {
		t->stats.overflows++;
		t->phase = TEST_EMPTYING;
	} else {
		t->phase = TEST_ALLOCATING;
	}
}

static void note_refusal(struct test *t, uint64_t size, const char *by)
{
	t->stats.errors++;
	snprintf(t->refusal, sizeof(t->refusal), "%" PRIu64 " bytes asked, %s", size, by);
}

/* Counts it, and keeps the reason for the list; the budget has given its own already. */
static void fail(struct test *t, uint64_t size, int rc)
{
	if (rc == -EDQUOT)
		t->stats.errors++;
	else
		note_refusal(t, size, kind_is_of_heap(t->plan.kind) ? "the allocator refused" : "the system refused");
}

static enum test_phase allocate(struct test *t)
{
	uint64_t room = t->plan.total_bytes - t->pool.bytes;
	uint64_t size = pick(t, t->plan.min_bytes, t->plan.max_bytes);

	const struct want want = { .size = size < room ? size : room,
				   .kind = t->plan.kind,
				   .where = t->plan.where };
	int rc;

	t->stats.calls++;
	rc = transit_in(&t->moving, &want, t->refusal);
	t->failing = rc < 0;
	if (rc == 0)
		return TEST_FILLING;
	fail(t, want.size, rc);
	return TEST_IDLE;
}

static bool wants_to_resize(struct test *t)
{
	uint64_t percent = atomic_load_explicit(&test_realloc_percent, memory_order_relaxed);

	return percent && t->plan.shape == SHAPE_CYCLE && t->pool.chunks && pick(t, 1, 100) <= percent;
}

static void put_back(struct test *t, const struct chunk *c)
{
	if (chunk_push(&t->pool, c) == 0)
		return;
	note_refusal(t, c->size, "no memory for their record");
	release_chunk(c, false);
}

/* One of its chunks gets a new random size, within the total. */
static enum test_phase resize(struct test *t)
{
	uint64_t size = pick(t, t->plan.min_bytes, t->plan.max_bytes), room;
	struct chunk_cursor at;
	struct chunk c;
	int rc;

	chunk_pick(&t->pool, prng_next(&t->random), &at, &c);
	room = t->plan.total_bytes - t->pool.bytes + c.size;
	if (size > room)
		size = room;
	if (size == 0)
		size = 1; /* realloc to 0 is free */
	chunk_take(&t->pool, &at); /* first: a child must not find it twice */
	rc = transit_resize(&t->moving, &c, size, t->refusal);
	if (rc < 0) {
		fail(t, size, rc);
		put_back(t, &c);
		return TEST_IDLE;
	}
	t->resized_from = c.size;
	return TEST_RESIZING;
}

static void keep_resized(struct test *t, uint64_t failed)
{
	uint64_t size = t->moving.chunk.size;

	if (failed)
		fail(t, t->moving.resize, -ENOMEM);
	t->stats.reallocs += !failed;
	if (size > t->resized_from)
		t->stats.bytes += size - t->resized_from;
	if (chunk_push(&t->pool, &t->moving.chunk) == 0)
		return;
	note_refusal(t, size, "no memory for their record");
	release_chunk(&t->moving.chunk, false);
}

/* False while no thread of the host's has allocated. Nobody waits for that who is to stop. */
static bool fetch(struct test *t)
{
	bool stopping = t->state != TEST_RUNNING || t->ending;
	uint64_t failed = 0;

	if (stopping && transit_withdraw(&t->moving))
		return true;
	if (!transit_arrived(&t->moving, &failed))
		return false;
	t->failing = failed > 0;
	if (failed)
		fail(t, t->moving.chunk.size, -ENOMEM);
	return true;
}

static void keep(struct test *t)
{
	uint64_t size = t->moving.chunk.size;

	if (chunk_push(&t->pool, &t->moving.chunk) == 0) {
		t->stats.bytes += size;
		return;
	}
	note_refusal(t, size, "no memory for their record");
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
	uint64_t failed = 0;

	for (;;) {
		switch (t->phase) {
		case TEST_EMPTYING:
			if (!empty(t, slice))
				return false;
			t->phase = t->state == TEST_RUNNING && !t->ending ? TEST_ALLOCATING :
									    TEST_IDLE;
			break;
		case TEST_ALLOCATING:
			t->phase = wants_to_resize(t) ? resize(t) : allocate(t);
			break;
		case TEST_RESIZING:
			if (!transit_resize_step(&t->moving, slice, &failed, &t->stats.corruptions))
				return false;
			keep_resized(t, failed);
			t->phase = TEST_IDLE;
			break;
		case TEST_FILLING:
			if (t->moving.stage == TRANSIT_POSTED && !fetch(t))
				return false;
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
			t->phase = t->ending && t->state == TEST_RUNNING ? TEST_EMPTYING : TEST_IDLE;
			break;
		case TEST_IDLE:
			return true;
		}
	}
}

uint64_t test_held_bytes(const struct test *t)
{
	bool in_hand = t->moving.stage != TRANSIT_IDLE && t->moving.stage != TRANSIT_POSTED;

	return t->pool.bytes + (in_hand ? t->moving.chunk.size : 0);
}

/* A chunk that is being resized when its test is stopped stays. */
uint64_t test_leaving_bytes(const struct test *t)
{
	bool over = t->state == TEST_STOPPED && t->phase != TEST_RESIZING;

	if (t->state == TEST_LEAVING)
		return test_held_bytes(t);
	return over || t->phase == TEST_EMPTYING ? test_held_bytes(t) - t->pool.bytes : 0;
}

uint64_t test_pending_bytes(const struct test *t)
{
	return t->moving.stage == TRANSIT_POSTED ? t->moving.chunk.size : 0;
}

uint64_t test_run_ms(const struct test *t, uint64_t now_ns)
{
	return ((t->state == TEST_RUNNING ? now_ns : t->over_ns) - t->start_ns) / NS_PER_MS;
}

uint64_t test_remaining_ms(const struct test *t, uint64_t now_ns)
{
	uint64_t end_ns = t->end_ns;

	if (t->plan.shape == SHAPE_RAMP)
		end_ns = clock_add_ms(t->start_ns, t->plan.ramp_ms);
	else if (t->plan.time_ms == TEST_NO_END)
		return 0;
	return t->state == TEST_RUNNING && now_ns < end_ns ? (end_ns - now_ns) / NS_PER_MS : 0;
}
