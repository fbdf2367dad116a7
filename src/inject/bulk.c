/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of long commands. */
#include "bulk.h"

#include <errno.h>

#include "base/clock.h"
#include "host/post.h"
#include "host/trim.h"
#include "inject/hand.h"
#include "inject/release.h"
#include "inject/reset.h"
#include "inject/sched.h"
#include "inject/unmap.h"

/* A heap that has refused this often in a row will refuse the rest too. */
#define GIVE_UP_AFTER 1000

/* A host that has not allocated for so long is not waited for any longer. */
#define HOST_PATIENCE_NS NS_PER_S

_Atomic uint64_t bulk_where;

static struct prng sizes;

void bulk_reseed(void)
{
	prng_seed(&sizes, atomic_load(&sched_seed));
}

/* Records the finished chunk; one that finds no room goes back. */
static void keep(struct job *j)
{
	if (chunk_push(&hand_pool, &j->moving.chunk) == 0) {
		j->bytes += j->moving.chunk.size;
		j->chunks++;
		return;
	}
	j->errors++;
	transit_out(&j->moving, &j->moving.chunk, true);
}

static void count_failure(struct job *j)
{
	j->errors++;
	if (++j->failures_in_a_row == GIVE_UP_AFTER)
		j->more = false;
}

static void start_one(struct job *j)
{
	uint64_t size = prng_range(&sizes, j->min, j->max);
	int rc;

	if (size > j->left)
		size = j->left;
	j->left -= size;
	j->more = j->left > 0;
	rc = transit_in(&j->moving, &(struct want){ .size = size, .where = j->where }, j->why);
	if (rc == 0) {
		if (j->moving.stage != TRANSIT_POSTED)
			j->failures_in_a_row = 0;
		return;
	}
	count_failure(j);
	if (rc == -EDQUOT)
		j->more = false;
}

/* False while no thread of the host's has allocated what was posted. */
static bool fetch(struct job *j)
{
	uint64_t now = clock_ns(), size = j->moving.chunk.size, refused = 0;
	bool give_up = now - j->moving.post_ns > HOST_PATIENCE_NS;

	if ((j->cancelled || give_up) && transit_withdraw(&j->moving)) {
		if (give_up)
			j->pending = size + j->left;
		j->more = false;
		return true;
	}
	if (transit_arrived(&j->moving, &refused)) {
		if (refused)
			count_failure(j);
		else
			j->failures_in_a_row = 0;
		return true;
	}
	j->wake_ns = transit_look_ns(&j->moving, now);
	return false;
}

/* False while the chunk on its way needs more time. */
static bool move_on(struct job *j, struct slice *slice)
{
	if (j->moving.stage == TRANSIT_POSTED && !fetch(j))
		return false;
	if (j->moving.stage == TRANSIT_FILLING) {
		/* What a cancelled command has in hand was not yet the client's. */
		if (j->cancelled)
			transit_out(&j->moving, &j->moving.chunk, true);
		else if (transit_in_step(&j->moving, slice))
			keep(j);
	}
	if (j->moving.stage == TRANSIT_VERIFYING || j->moving.stage == TRANSIT_PURGING)
		transit_out_step(&j->moving, slice, &j->damaged);
	return j->moving.stage == TRANSIT_IDLE;
}

/* False where they have to go one by one. Asks the budget once, for as much as they may be. */
static bool start_many(struct job *j)
{
	uint64_t most = TRANSIT_SMALL_AT_ONCE * j->max, left = j->left, held = hand_pool.bytes;

	if (j->where != WHERE_THREAD || j->min == 0 || j->max > TRANSIT_SMALL_BYTES || left <= most ||
	    budget_try_inside(most))
		return false;
	transit_prepare(j->min);
	for (unsigned i = 0; i < TRANSIT_SMALL_AT_ONCE && j->more; i++) {
		uint64_t size = prng_range(&sizes, j->min, j->max);

		left -= size;
		if (transit_in_small(&hand_pool, size)) {
			j->chunks++;
			j->failures_in_a_row = 0;
		} else {
			count_failure(j);
		}
	}
	held = hand_pool.bytes - held;
	budget_give_inside(most - held);
	j->bytes += held;
	j->left = left;
	return true;
}

static bool alloc_step(struct job *j, struct slice *slice)
{
	uint64_t before;

	do {
		before = j->bytes;
		if (!move_on(j, slice))
			return false;
		if (j->cancelled || !j->more)
			return true;
		if (!start_many(j))
			start_one(j);
		/* Never stop with a small one in hand: were it cancelled then, the heap's newest block would be
		   freed first, and stay in the thread's cache with the whole heap under it. */
		if (!move_on(j, slice))
			return false;
	} while (!slice_over(slice, j->bytes - before));
	return false;
}

void bulk_alloc(struct job *j, uint64_t min, uint64_t max, uint64_t total)
{
	j->step = alloc_step;
	j->scope = &hand_pool;
	j->min = min;
	j->max = max;
	j->left = total;
	j->goal = total;
	j->more = true;
	j->where = (enum where)atomic_load(&bulk_where);
	job_add(j);
}

enum { FREE_HAND, FREE_STOPPED, FREE_RUNNING, FREE_OVER };

#define NONE_PASSED UINT64_MAX

static void start_walk(struct job *j, const struct chunk_pool *pool)
{
	j->from.removals = pool->removals;
	j->from.at = (struct chunk_cursor){ 0 };
	j->from.smallest = NONE_PASSED;
}

/* The pool that the job is at; NULL when its test has been destroyed, or at the beginning of a round
   of tests. */
static struct chunk_pool *current_pool(const struct job *j)
{
	struct test *t;

	if (j->from.round == FREE_HAND)
		return &hand_pool;
	t = sched_find(j->from.test_id);
	return t ? &t->pool : NULL;
}

/* Goes on to the next pool with chunks. False after the last. */
static bool next_pool(struct job *j)
{
	if (j->from.round == FREE_HAND) {
		j->from.round = FREE_STOPPED;
		j->from.test_id = SCHED_NEWEST;
	}
	while (j->from.round < FREE_OVER) {
		struct test *t = sched_below(j->from.test_id);

		if (!t) {
			j->from.round++;
			j->from.test_id = SCHED_NEWEST;
			continue;
		}
		j->from.test_id = t->id;
		/* When everything goes, also what another client stops between the two rounds. */
		if (t->pool.chunks &&
		    (j->more || (t->state == TEST_RUNNING) == (j->from.round == FREE_RUNNING))) {
			start_walk(j, &t->pool);
			return true;
		}
	}
	return false;
}

static void take_at(struct job *j, struct chunk_pool *pool, struct chunk_cursor *at)
{
	chunk_take(pool, at);
	j->from.removals = pool->removals;
}

enum pick { PICKED, NOT_YET, POOL_DONE };

/* One step of the walk from newest to oldest. */
static enum pick pick_fitting(struct job *j, struct chunk_pool *pool, struct slice *slice,
			      struct chunk *c)
{
	if (pool->removals != j->from.removals)
		start_walk(j, pool); /* somebody else has freed some meanwhile */
	while (chunk_prev(pool, &j->from.at, c)) {
		if (c->size <= j->left) {
			/* The records above this one in its segment move down by one. */
			if (j->from.smallest != NONE_PASSED &&
			    j->from.smallest_at.segment == j->from.at.segment)
				j->from.smallest_at.index--;
			take_at(j, pool, &j->from.at);
			return PICKED;
		}
		if (c->size < j->from.smallest) {
			j->from.smallest = c->size;
			j->from.smallest_at = j->from.at;
		}
		if (slice_over(slice, 0))
			return NOT_YET;
	}
	if (j->from.smallest == NONE_PASSED)
		return POOL_DONE;
	/* Met once more, to read it. */
	j->from.smallest_at.index++;
	chunk_prev(pool, &j->from.smallest_at, c);
	take_at(j, pool, &j->from.smallest_at);
	return PICKED;
}

/* Where everything goes, small ones have left already when this returns. */
static enum pick pick_any(struct job *j, struct chunk_pool *pool, struct slice *slice, struct chunk *c)
{
	uint64_t chunks = pool->chunks, bytes = pool->bytes;
	bool other = transit_out_small(pool, slice, c);

	j->chunks += chunks - pool->chunks - other;
	j->bytes += bytes - pool->bytes - (other ? c->size : 0);
	return other ? PICKED : pool->chunks ? NOT_YET : POOL_DONE;
}

static enum pick pick_chunk(struct job *j, struct slice *slice, struct chunk *c)
{
	struct chunk_pool *pool = current_pool(j);

	if (!pool)
		return POOL_DONE;
	return j->more ? pick_any(j, pool, slice, c) : pick_fitting(j, pool, slice, c);
}

/* Damage is counted with the job and with the test that the chunk was from, if it is still there. */
static void count_damage(struct job *j, uint64_t damaged)
{
	struct test *t = j->from.round == FREE_HAND ? NULL : sched_find(j->from.test_id);

	j->damaged += damaged;
	if (t)
		t->stats.corruptions += damaged;
}

static void count_freed(struct job *j, uint64_t size)
{
	j->bytes += size;
	j->chunks++;
	j->left -= size < j->left ? size : j->left;
}

/* True when no chunk is on its way out any more. */
static bool release(struct job *j, struct slice *slice)
{
	uint64_t size = j->moving.chunk.size, damaged = 0;
	bool gone;

	if (j->moving.stage == TRANSIT_IDLE)
		return true;
	gone = transit_out_step(&j->moving, slice, &damaged);
	if (damaged)
		count_damage(j, damaged);
	if (!gone)
		return false;
	count_freed(j, size);
	return true;
}

/* After mt.reset: also what others have freed for it. Something may have come meanwhile, from the C API. */
static void count_taken_back(struct job *j)
{
	uint64_t left = budget_held();

	if (j->held > left && j->held - left > j->bytes)
		j->bytes = j->held - left;
}

/* After mt.reset nothing is held: chunks that stopped tests and cancelled jobs have in hand are on
   their way out, and waited for. */
static bool finish_free(struct job *j, struct slice *slice)
{
	if (j->urgent && (sched_any_leaving() || job_any_cancelled())) {
		j->waited = true;
		return false;
	}
	if (j->waited) {
		j->waited = false;
		j->from.round = FREE_HAND;
		start_walk(j, &hand_pool);
		return false;
	}
	if (!j->cancelled && sched_any_awaited())
		return false;
	if (!unmap_kept(slice))
		return false;
	if (j->chunks)
		release_finish();
	sched_resume_leaks(); /* only now: one that takes all of its limit at once would never let this end */
	if (j->urgent)
		count_taken_back(j);
	return true;
}

static bool free_step(struct job *j, struct slice *slice)
{
	struct chunk c;

	/* What tests have on their way out is freed together with the rest, by them. */
	if (j->more && !j->urgent && !j->begun)
		j->bytes += sched_await_leaving();
	j->begun = true;
	transit_make_room();
	do {
		if (!release(j, slice))
			return false;
		if (j->cancelled || (!j->more && j->left == 0))
			return finish_free(j, slice);
		switch (pick_chunk(j, slice, &c)) {
		case PICKED:
			if (transit_out_at_once(&c))
				count_freed(j, c.size);
			else
				transit_out(&j->moving, &c, true);
			break;
		case NOT_YET:
			return false;
		case POOL_DONE:
			if (!next_pool(j))
				return finish_free(j, slice);
			break;
		}
	} while (!slice_over(slice, 0));
	return false;
}

static void start_free(struct job *j)
{
	j->step = free_step;
	start_walk(j, &hand_pool);
	job_add(j);
}

void bulk_free(struct job *j, uint64_t bytes)
{
	j->left = bytes;
	j->goal = bytes;
	start_free(j);
}

void bulk_free_all(struct job *j, bool urgent)
{
	j->more = true;
	j->goal = j->held = budget_held();
	j->urgent = urgent;
	start_free(j);
}

/* A forked child has its parent's mappings in this pool too, which are no blocks that realloc knows. */
static bool pick_block(struct chunk_cursor *at, struct chunk *c)
{
	if (!chunk_pick(&hand_pool, prng_next(&sizes), at, c))
		return false;
	if (!(c->flags & CHUNK_MAPPED))
		return true;
	*at = (struct chunk_cursor){ 0 };
	while (chunk_prev(&hand_pool, at, c))
		if (!(c->flags & CHUNK_MAPPED))
			return true;
	return false;
}

static bool resize_step(struct job *j, struct slice *slice)
{
	struct chunk_cursor at;
	struct chunk c;

	if (j->moving.stage == TRANSIT_IDLE) {
		if (j->cancelled)
			return true;
		if (!pick_block(&at, &c)) {
			j->errors++;
			return true;
		}
		j->bytes = c.size;
		if (transit_resize(&j->moving, &c, j->left, j->why) < 0) {
			j->errors++;
			j->chunks++;
			return true;
		}
		chunk_take(&hand_pool, &at);
	}
	if (!transit_resize_step(&j->moving, slice, &j->errors, &j->damaged))
		return false;
	j->chunks++;
	if (chunk_push(&hand_pool, &j->moving.chunk) < 0)
		release_chunk(&j->moving.chunk, false);
	return true;
}

void bulk_resize(struct job *j, uint64_t size)
{
	j->step = resize_step;
	j->scope = &hand_pool;
	j->left = size;
	job_add(j);
}

void bulk_stop_all(void)
{
	sched_stop_all();
	job_cancel_all();
}

void bulk_reset(struct job *j)
{
	bulk_stop_all();
	bulk_free_all(j, true);
}

static bool destroy_step(struct job *j, struct slice *slice)
{
	if (j->waiting_for) /* sched_run frees what tests hold */
		return false;
	if (!unmap_kept(slice))
		return false;
	release_finish();
	return true;
}

void bulk_destroy(struct job *j, struct test *t)
{
	j->step = destroy_step;
	j->urgent = true;
	if (t)
		sched_destroy(t, j);
	else
		while ((t = sched_below(SCHED_NEWEST)))
			sched_destroy(t, j);
	job_add(j);
}

void bulk_adopt(void)
{
	chunk_unwatch_all();
	trim_adopt();
	sched_adopt(&hand_pool);
	job_adopt(&hand_pool);
	post_reset();
	budget_adopt(hand_pool.bytes + unmap_kept_bytes());
	reset_adopt();
}
