/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_check's walk: what it verifies, what it lists, and who may take chunks away under it. */
#include "inject/check.h"

#include "base/clock.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/release.h"
#include "inject/sched.h"
#include "tests/unit.h"

#define HOUR_MS 3600000
#define PART ((size_t)256 << 10)

/* A test that holds so many chunks; it is not due before long. */
static struct test *test_holding(uint64_t size, unsigned chunks)
{
	const struct test_plan plan =
		UNIT_PLAN(size, size, 1000 * size, HOUR_MS, HOUR_MS, 100 * (uint64_t)HOUR_MS);
	struct slice slice = UNIT_MUCH_TIME;
	struct test *t;
	uint64_t id;

	ck_assert_int_eq(sched_start(&plan, &id), 0);
	t = sched_find(id);
	for (unsigned i = 0; i < chunks; i++) {
		test_tick(t);
		ck_assert(test_advance(t, &slice));
	}
	ck_assert_uint_eq(t->pool.chunks, chunks);
	return t;
}

static void damage(const struct chunk_pool *pool, unsigned place, size_t offset)
{
	struct chunk_cursor at = { 0 };
	struct chunk c;

	for (unsigned i = 0; i <= place; i++)
		ck_assert(chunk_prev(pool, &at, &c));
	ck_assert_uint_lt(offset, c.size);
	((unsigned char *)c.addr)[offset] ^= 0xff;
}

static struct job check(struct unit_job *u, uint64_t slice_ns)
{
	check_start(unit_job(u));
	unit_run(u, slice_ns);
	return u->job;
}

static void expect_finding(unsigned index, uint64_t test, uint64_t place, size_t offset)
{
	const struct finding *f = check_finding(index);

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->test, test);
	ck_assert_uint_eq(f->chunk, place);
	ck_assert_uint_eq(f->offset, offset);
	ck_assert_uint_eq(f->expected, content_expected(offset));
	ck_assert_uint_eq(f->found, (unsigned char)~content_expected(offset));
	ck_assert_uint_eq(((const unsigned char *)f->address)[offset], f->found);
}

START_TEST(every_chunk_with_a_pattern_is_verified_and_none_freed)
{
	static const uint64_t slices[] = { 0, NS_PER_S };
	struct unit_job u;
	struct job seen;
	uint64_t used;

	unit_hold(1000); /* without */
	atomic_store(&content_check, 1);
	for (int i = 0; i < 50; i++)
		unit_hold(100);
	unit_hold(3 * PART + 5);
	sched_stop(test_holding(20, 3));
	test_holding(7, 0);
	test_holding(50, 40);
	used = budget_used();
	for (size_t i = 0; i < COUNT(slices); i++) {
		seen = check(&u, slices[i]);
		ck_assert_uint_eq(seen.chunks, 50 + 1 + 3 + 40);
		ck_assert_uint_eq(seen.bytes, 5000 + 3 * PART + 5 + 60 + 2000);
		ck_assert_uint_eq(seen.damaged, 0);
		ck_assert_ptr_null(check_finding(0));
		ck_assert_uint_eq(budget_used(), used);
		ck_assert_uint_eq(hand_pool.chunks, 52);
	}
}
END_TEST

START_TEST(nothing_held_is_nothing_verified)
{
	struct unit_job u;

	ck_assert_uint_eq(check(&u, 0).chunks, 0);
	ck_assert_ptr_null(check_finding(0));
}
END_TEST

START_TEST(damage_is_listed_with_its_test_place_and_bytes)
{
	static const uint64_t slices[] = { 0, NS_PER_S };
	struct test *older, *newer;
	struct unit_job u;

	atomic_store(&content_check, 1);
	older = test_holding(100, 40);
	newer = test_holding(200, 3);
	unit_hold(10);
	unit_hold(3 * PART + 5);
	unit_hold(10);
	damage(&hand_pool, 1, 3 * PART + 4);
	damage(&hand_pool, 2, 0);
	damage(&newer->pool, 0, 199);
	damage(&older->pool, 39, 64);
	damage(&older->pool, 39, 65); /* the first byte alone */
	for (size_t i = 0; i < COUNT(slices); i++) {
		ck_assert_uint_eq(check(&u, slices[i]).damaged, 4);
		expect_finding(0, 0, 1, 3 * PART + 4);
		expect_finding(1, 0, 2, 0);
		expect_finding(2, newer->id, 0, 199);
		expect_finding(3, older->id, 39, 64);
		ck_assert_ptr_null(check_finding(4));
	}
}
END_TEST

START_TEST(damage_checked_twice_and_freed_is_counted_once)
{
	uint64_t before = transit_corruptions();
	struct unit_job u, gone;
	struct test *t;

	atomic_store(&content_check, 1);
	unit_hold(100);
	t = test_holding(100, 2);
	damage(&hand_pool, 0, 5);
	damage(&t->pool, 1, 6);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(check(&u, 0).damaged, 2); /* listed each time */
		ck_assert_uint_eq(transit_corruptions(), before + 2);
		ck_assert_uint_eq(t->stats.corruptions, 1);
	}
	bulk_free_all(unit_job(&gone), false);
	unit_run(&gone, 0);
	ck_assert_uint_eq(gone.job.chunks, 3);
	ck_assert_uint_eq(gone.job.damaged, 0);
	ck_assert_uint_eq(t->stats.corruptions, 1);
	ck_assert_uint_eq(transit_corruptions(), before + 2);
}
END_TEST

START_TEST(a_hundred_are_listed_and_all_are_counted)
{
	struct unit_job u;

	atomic_store(&content_check, 1);
	for (int i = 0; i < 150; i++)
		unit_hold(20);
	for (unsigned i = 0; i < 150; i++)
		damage(&hand_pool, i, i % 20);
	ck_assert_uint_eq(check(&u, 0).damaged, 150);
	for (unsigned i = 0; i < CHECK_FINDINGS_MAX; i++)
		expect_finding(i, 0, i, i % 20);
	ck_assert_ptr_null(check_finding(CHECK_FINDINGS_MAX));
}
END_TEST

/* Of what is damaged, all that is still there at the end has been met. */
START_TEST(chunks_may_leave_and_come_during_the_walk)
{
	struct prng random = unit_random("chunks_may_leave_and_come_during_the_walk");

	atomic_store(&content_check, 1);
	for (int round = 0; round < 60; round++) {
		struct slice slice = UNIT_NO_TIME;
		struct unit_job u, gone;
		struct chunk_cursor at = { 0 };
		struct chunk c;
		struct test *t = test_holding(30, (unsigned)prng_range(&random, 0, 150));
		unsigned places = (unsigned)prng_range(&random, 1, 150);

		for (unsigned i = 0; i < places; i++)
			unit_hold(30);
		for (unsigned i = 0; i < places; i += 3)
			damage(&hand_pool, i, i % 30);
		for (unsigned i = 0; i < t->pool.chunks; i += 3)
			damage(&t->pool, i, i % 30);
		check_start(unit_job(&u));
		for (int steps = 0; !u.done; steps++) {
			struct chunk_pool *pool = prng_range(&random, 0, 1) ? &hand_pool : &t->pool;

			ck_assert_int_lt(steps, 10000);
			ck_assert(job_run(&slice));
			if (prng_range(&random, 0, 2) == 0 && pool->chunks) {
				c = unit_take_one(pool, &random);
				release_chunk(&c, false);
			}
			if (prng_range(&random, 0, 9) == 0)
				ck_assert_int_eq(hand_alloc(30), 0);
		}
		while (chunk_prev(&hand_pool, &at, &c))
			ck_assert(content_verify(c.addr, 0, c.size) == SIZE_MAX || c.flags & CHUNK_DAMAGED);
		at = (struct chunk_cursor){ 0 };
		while (chunk_prev(&t->pool, &at, &c))
			ck_assert(content_verify(c.addr, 0, c.size) == SIZE_MAX || c.flags & CHUNK_DAMAGED);
		bulk_destroy(unit_job(&gone), t);
		unit_run(&gone, 0);
		hand_free();
	}
}
END_TEST

/* Runs the check alone until it is inside the first chunk. */
static void go_inside(struct unit_job *u)
{
	struct slice slice = UNIT_NO_TIME;

	check_start(unit_job(u));
	for (int i = 0; u->job.bytes == 0; i++) {
		ck_assert_int_lt(i, 100);
		ck_assert(job_run(&slice));
	}
	ck_assert(!u->done);
}

START_TEST(chunk_freed_while_it_is_verified_is_left_alone)
{
	struct unit_job u;

	atomic_store(&content_check, 1);
	unit_hold(10);
	unit_hold(4 << 20);
	go_inside(&u);
	ck_assert_uint_eq(u.job.chunks, 1);
	hand_free(); /* its pages are gone */
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.damaged, 0);
	ck_assert_uint_eq(u.job.chunks, 1);
	ck_assert_uint_lt(u.job.bytes, 4 << 20);
}
END_TEST

START_TEST(damage_in_a_test_that_was_just_destroyed_is_listed_as_its)
{
	struct slice slice = UNIT_NO_TIME;
	struct unit_job u, gone;
	struct test *t;
	uint64_t id;

	atomic_store(&content_check, 1);
	t = test_holding(4 << 20, 1);
	id = t->id;
	damage(&t->pool, 0, (4 << 20) - 1);
	go_inside(&u);
	bulk_destroy(unit_job(&gone), t);
	ck_assert_ptr_null(sched_find(id));
	for (int i = 0; !u.done; i++) { /* its memory is not freed yet */
		ck_assert_int_lt(i, 1000);
		ck_assert(job_run(&slice));
	}
	ck_assert_uint_eq(u.job.damaged, 1);
	expect_finding(0, id, 0, (4 << 20) - 1);
	unit_run(&gone, 0);
}
END_TEST

START_TEST(cancelled_check_ends_and_the_next_one_is_whole)
{
	struct unit_job u;

	atomic_store(&content_check, 1);
	unit_hold(10);
	unit_hold(4 << 20);
	damage(&hand_pool, 0, 100);
	damage(&hand_pool, 1, 1);
	go_inside(&u);
	u.job.cancelled = true;
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.chunks, 1);
	ck_assert_uint_eq(check(&u, 0).chunks, 2);
	ck_assert_uint_eq(u.job.damaged, 2);
	check_start(unit_job(&u));
	u.job.cancelled = true; /* before its first step */
	unit_run(&u, 0);
	ck_assert_uint_eq(u.job.chunks, 0);
}
END_TEST

START_TEST(checks_run_one_after_the_other)
{
	struct unit_job first, second;

	atomic_store(&content_check, 1);
	unit_hold(10);
	unit_hold(4 << 20);
	damage(&hand_pool, 1, 9);
	go_inside(&first);
	check_start(unit_job(&second));
	unit_run(&first, 0);
	ck_assert(!second.done);
	ck_assert_uint_eq(second.job.chunks, 0);
	ck_assert_uint_eq(first.job.damaged, 1);
	expect_finding(0, 0, 1, 9);
	damage(&hand_pool, 0, 8);
	unit_run(&second, 0);
	ck_assert_uint_eq(second.job.damaged, 2);
	expect_finding(0, 0, 0, 8);
	expect_finding(1, 0, 1, 9);
}
END_TEST

UNIT_SUITE(check, every_chunk_with_a_pattern_is_verified_and_none_freed, nothing_held_is_nothing_verified,
	   damage_is_listed_with_its_test_place_and_bytes, damage_checked_twice_and_freed_is_counted_once,
	   a_hundred_are_listed_and_all_are_counted, chunks_may_leave_and_come_during_the_walk,
	   chunk_freed_while_it_is_verified_is_left_alone,
	   damage_in_a_test_that_was_just_destroyed_is_listed_as_its,
	   cancelled_check_ends_and_the_next_one_is_whole, checks_run_one_after_the_other)
