/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks all pools with a watched cursor, a part of a chunk at a time. */
#include "check.h"

#include "base/sections.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/sched.h"

#define PART_BYTES ((size_t)256 << 10)

static LARGE_STATE struct finding findings[CHECK_FINDINGS_MAX];

/* Of the check under way. */
static struct {
	uint64_t test;  /* whose pool is walked; SCHED_NEWEST: the hand pool */
	uint64_t place; /* of the chunk in its pool */
	struct chunk_cursor at;
	struct chunk chunk; /* being verified, if `inside` */
	bool inside;
	size_t done;
	unsigned found;
} walk;

/* Checks run one after the other since they share this scope. */
static const struct chunk_pool one_at_a_time;

const struct finding *check_finding(unsigned index)
{
	return index < walk.found ? &findings[index] : NULL;
}

static struct test *current_test(void)
{
	return walk.test == SCHED_NEWEST ? NULL : sched_find(walk.test);
}

/* NULL when the test has been destroyed. */
static struct chunk_pool *current_pool(void)
{
	struct test *t = current_test();

	if (walk.test == SCHED_NEWEST)
		return &hand_pool;
	return t ? &t->pool : NULL;
}

static void start_pool(uint64_t test)
{
	walk.test = test;
	walk.place = 0;
	chunk_unwatch(&walk.at);
	walk.at = (struct chunk_cursor){ 0 };
	chunk_watch(&walk.at);
}

static void note(struct job *j, size_t offset)
{
	struct test *t = current_test();

	j->damaged++;
	if (walk.found < CHECK_FINDINGS_MAX)
		findings[walk.found++] = (struct finding){
			.test = walk.test == SCHED_NEWEST ? 0 : walk.test, /* which may have been destroyed */
			.chunk = walk.place - 1,
			.address = walk.chunk.addr,
			.offset = offset,
			.expected = content_expected(offset),
			.found = ((unsigned char *)walk.chunk.addr)[offset],
		};
	if (walk.chunk.flags & CHUNK_DAMAGED)
		return;
	chunk_mark(&walk.at, walk.chunk.flags | CHUNK_DAMAGED);
	if (t)
		t->stats.corruptions++;
	transit_note_damage(&walk.chunk, offset, false); /* last: the chunk may have gone when it returns */
}

/* One part of the chunk in hand. */
static void verify_part(struct job *j)
{
	size_t from = walk.done, left = walk.chunk.size - from, at;

	walk.done += left < PART_BYTES ? left : PART_BYTES;
	gate_block_begin(); /* not outside: one of the host's threads might free it */
	at = content_verify(walk.chunk.addr, from, walk.done);
	gate_block_end();
	if (at != SIZE_MAX)
		note(j, at);
	if (at != SIZE_MAX || walk.done == walk.chunk.size)
		walk.inside = false;
}

/* Goes on to the next chunk of this pool, or to the next pool. False after the last. */
static bool next_chunk(struct job *j)
{
	struct chunk_pool *pool = current_pool();
	struct test *t;

	if (pool && chunk_prev(pool, &walk.at, &walk.chunk)) {
		walk.place++;
		walk.inside = walk.chunk.flags & CHUNK_PATTERN;
		walk.done = 0;
		j->chunks += walk.inside;
		return true;
	}
	t = sched_below(walk.test);
	if (t)
		start_pool(t->id);
	return t != NULL;
}

static bool check_step(struct job *j, struct slice *slice)
{
	size_t before;

	if (!j->more) {
		j->more = true;
		walk.found = 0;
		walk.inside = false;
		start_pool(SCHED_NEWEST);
	}
	do {
		if (j->cancelled || (walk.inside && walk.at.gone))
			walk.inside = false;
		before = walk.done;
		if (walk.inside) {
			verify_part(j);
			j->bytes += walk.done - before;
		} else if (j->cancelled || !next_chunk(j)) {
			chunk_unwatch(&walk.at);
			return true;
		}
	} while (!slice_over(slice, walk.done - before));
	return false;
}

void check_start(struct job *j)
{
	j->step = check_step;
	j->scope = &one_at_a_time;
	job_add(j);
}
