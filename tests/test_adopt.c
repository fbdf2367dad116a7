/* SPDX-License-Identifier: BSD-2-Clause */
/* After fork the child's hand pool has everything that was injected, wherever it was. */
#include "inject/bulk.h"

#include "inject/content.h"
#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/unit.h"

static struct test *start(uint64_t size)
{
	const struct test_plan plan = UNIT_PLAN(size, size, 100 * size, 3600000, 3600000, 36000000);
	uint64_t id;

	ck_assert_int_eq(sched_start(&plan, &id), 0);
	return sched_find(id);
}

static void tick_fully(struct test *t)
{
	struct slice slice = UNIT_MUCH_TIME;

	test_tick(t);
	ck_assert(test_advance(t, &slice));
}

START_TEST(everything_goes_to_the_hand_pool)
{
	struct slice none = UNIT_NO_TIME;
	struct unit_job alloc, leaving, freed;
	struct test *filling;

	unit_hold(1);
	tick_fully(start(20));
	tick_fully(start(300));
	sched_stop(sched_below(SCHED_NEWEST));
	filling = start(4 << 20);
	test_tick(filling);
	ck_assert(!test_advance(filling, &none));
	tick_fully(start(5000));
	bulk_destroy(unit_job(&leaving), sched_below(SCHED_NEWEST));
	bulk_alloc(unit_job(&alloc), 2 << 20, 2 << 20, 8 << 20);
	for (int i = 0; i < 6; i++)
		job_run(&none);
	ck_assert_uint_ne(alloc.job.moving.stage, TRANSIT_IDLE);

	/* A host thread that does not exist in the child was about to allocate. */
	ck_assert_int_eq(budget_take(60000, NULL), 0);

	bulk_adopt();
	ck_assert_uint_eq(hand_pool.bytes, 1 + 20 + 300 + (4 << 20) + 5000 + (2 << 20));
	ck_assert_uint_eq(hand_pool.chunks, 6);
	ck_assert_uint_eq(budget_used(), hand_pool.bytes);
	ck_assert_ptr_null(sched_below(SCHED_NEWEST));
	ck_assert_uint_eq(sched_next_ns(), UINT64_MAX);
	ck_assert(job_next_ns() != 0);

	bulk_free_all(unit_job(&freed), false);
	unit_run(&freed, 0);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert(!alloc.done);
	ck_assert(!leaving.done);
}
END_TEST

START_TEST(what_was_on_its_way_is_not_taken_for_damaged)
{
	struct slice none = UNIT_NO_TIME;
	uint64_t before = transit_corruptions();
	struct unit_job alloc, freed;

	atomic_store(&content_check, 1);
	unit_hold(100);
	bulk_alloc(unit_job(&alloc), 2 << 20, 2 << 20, 2 << 20);
	job_run(&none);
	job_run(&none);
	bulk_adopt();
	ck_assert_uint_eq(hand_pool.chunks, 2);
	bulk_free_all(unit_job(&freed), false);
	unit_run(&freed, 0);
	ck_assert_uint_eq(transit_corruptions(), before);
	ck_assert_uint_eq(freed.job.damaged, 0);
}
END_TEST

START_TEST(ids_go_on_in_the_child)
{
	uint64_t last = start(1)->id;

	bulk_adopt();
	ck_assert_uint_eq(start(1)->id, last + 1);
}
END_TEST

UNIT_SUITE(adopt, everything_goes_to_the_hand_pool, what_was_on_its_way_is_not_taken_for_damaged,
	   ids_go_on_in_the_child)
