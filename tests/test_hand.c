/* SPDX-License-Identifier: BSD-2-Clause */
/* The C API's half of injection, on several of the host's threads at once. */
#include "inject/hand.h"

#include <errno.h>
#include <pthread.h>

#include "inject/budget.h"
#include "inject/content.h"
#include "inject/transit.h"
#include "tests/unit.h"

#define ROUNDS 2000

START_TEST(what_was_allocated_is_freed)
{
	ck_assert_int_eq(hand_alloc(100), 0);
	ck_assert_int_eq(hand_alloc(0), 0);
	ck_assert_int_eq(hand_alloc(3 << 20), 0);
	ck_assert_uint_eq(hand_pool.chunks, 3);
	ck_assert_uint_eq(hand_pool.bytes, 100 + (3 << 20));
	ck_assert_uint_eq(budget_used(), 100 + (3 << 20));
	hand_free();
	ck_assert_uint_eq(hand_pool.chunks, 0);
	ck_assert_uint_eq(budget_used(), 0);
	hand_free();
}
END_TEST

START_TEST(refusal_says_who_refused)
{
	atomic_store(&budget_max_bytes, 100);
	ck_assert_int_eq(hand_alloc(101), -EDQUOT);
	ck_assert_int_eq(hand_alloc(100), 0);
	ck_assert_int_eq(hand_alloc(1), -EDQUOT);
	ck_assert_int_eq(hand_alloc(SIZE_MAX), -ENOMEM);
	ck_assert_uint_eq(budget_used(), 100);
	hand_free();
}
END_TEST

START_TEST(damage_is_counted_when_freed)
{
	struct chunk_cursor at = { 0 };
	struct chunk c;
	uint64_t before = transit_corruptions();

	atomic_store(&content_check, 1);
	ck_assert_int_eq(hand_alloc(1000), 0);
	ck_assert_int_eq(hand_alloc(1000), 0);
	ck_assert(chunk_prev(&hand_pool, &at, &c));
	((char *)c.addr)[999] ^= 1;
	hand_free();
	ck_assert_uint_eq(transit_corruptions(), before + 1);
}
END_TEST

static void *host_thread(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < ROUNDS; i++) {
		if (hand_alloc(i) < 0)
			return (void *)1;
		if (i % 50 == 0)
			hand_free();
	}
	return NULL;
}

START_TEST(threads_may_allocate_and_free_at_once)
{
	pthread_t threads[4];

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, host_thread, NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_eq(budget_used(), hand_pool.bytes);
	hand_free();
	ck_assert_uint_eq(hand_pool.bytes, 0);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

UNIT_SUITE(hand, what_was_allocated_is_freed, refusal_says_who_refused,
	   damage_is_counted_when_freed, threads_may_allocate_and_free_at_once)
