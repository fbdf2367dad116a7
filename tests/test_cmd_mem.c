/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_alloc, mem_free, mem_used, mem_rnd_alloc, mem_realloc, mem_check and mt.reset: what they answer. */
#include <stdio.h>

#include "host/real.h"
#include "inject/budget.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

START_TEST(allocated_bytes_are_used_until_freed)
{
	recorder_expect("mt.mem_used", "0");
	recorder_expect("mt.mem_alloc 10 k", "");
	recorder_expect("mt.mem_alloc 0", "");
	recorder_expect("mt.mem_alloc 1023", "");
	recorder_expect("mt.mem_used", "11263");
	recorder_expect("mt.mem_used k", "10");
	recorder_expect("mt.mem_used M", "0");
	recorder_expect("mt.mem_free 1", "1023");
	recorder_expect("mt.mem_free 1 k", "10");
	recorder_expect("mt.mem_free", "0");
	ck_assert_uint_eq(hand_pool.chunks, 0);
}
END_TEST

START_TEST(free_answers_in_the_unit_given_rounded_down)
{
	recorder_expect("mt.mem_alloc 2047", "");
	recorder_expect("mt.mem_free 1 k", "1");
	recorder_expect("mt.mem_alloc 2047", "");
	recorder_expect("mt.mem_free unit=k", "1");
	recorder_expect("mt.mem_alloc 2047", "");
	recorder_expect("mt.mem_free 0", "0");
	recorder_expect("mt.mem_free", "2047");
}
END_TEST

START_TEST(free_frees_as_the_original_does)
{
	for (int size = 100; size <= 500; size += 100) {
		char line[40];

		snprintf(line, sizeof(line), "mt.mem_alloc %d", size);
		recorder_expect(line, "");
	}
	recorder_expect("mt.mem_free 1", "100");
	recorder_expect("mt.mem_free 450", "600");
	recorder_expect("mt.mem_free", "800");
}
END_TEST

START_TEST(random_allocation_is_exactly_the_total)
{
	recorder_expect("mt.mem_rnd_alloc 1 64 100 k", "");
	recorder_expect("mt.mem_used", "102400");
	recorder_expect("mt.mem_rnd_alloc 1b 64b 3 k", "");
	recorder_expect("mt.mem_used", "105472");
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
	recorder_expect("mt.mem_rnd_alloc 5 4 10", "400 invalid parameter values: min 5, max 4, total "
						   "10 bytes (accepted: min <= max <= total)");
	recorder_expect_beginning("mt.mem_rnd_alloc 1 11 10", "400 invalid parameter values");
	recorder_expect_beginning("mt.mem_rnd_alloc 0 0 10", "400 invalid parameter values");
	recorder_expect_beginning("mt.mem_rnd_alloc 0 0 0", "400 invalid parameter values");
	ck_assert_int_eq(recorder_refusal(), RPC_REFUSED);
	ck_assert_uint_eq(hand_pool.chunks, 0);
}
END_TEST

START_TEST(what_the_limit_forbids_is_refused_as_a_whole)
{
	atomic_store(&budget_max_bytes, 1000);
	recorder_expect("mt.mem_alloc 1001", "400 memory allocation failed: 1001 bytes asked, 0 held, "
					     "max_bytes is 1000");
	recorder_expect_beginning("mt.mem_rnd_alloc 1 10 1001", "400 memory allocation failed: ");
	recorder_expect("mt.mem_used", "0");
	recorder_expect("mt.mem_alloc 1000", "");
	recorder_expect_beginning("mt.mem_alloc 1", "400 memory allocation failed: 1 bytes asked, 1000 "
						    "held");
}
END_TEST

static void *(*allocator)(size_t);
static unsigned calls;

static void *refuse_after_five(size_t size)
{
	return ++calls > 5 ? NULL : allocator(size);
}

START_TEST(what_succeeded_before_a_failure_stays)
{
	allocator = real.malloc;
	calls = 0;
	real.malloc = refuse_after_five;
	recorder_expect("mt.mem_rnd_alloc 10 10 80", "400 memory allocation failed (3 errors): 50 bytes "
						     "in 5 chunks were allocated and stay");
	recorder_expect("mt.mem_alloc 10", "400 memory allocation failed (1 errors): 0 bytes in 0 "
					   "chunks were allocated and stay");
	real.malloc = allocator;
	recorder_expect("mt.mem_used", "50");
}
END_TEST

static void *lower_the_limit_after_five(size_t size)
{
	if (++calls == 5)
		atomic_store(&budget_max_bytes, 95);
	return allocator(size);
}

/* Five chunks of 2000 bytes come, of forty. */
static void expect_after_five(void *(*instead)(size_t size), const char *reply)
{
	allocator = real.malloc;
	calls = 0;
	real.malloc = instead;
	recorder_expect("mt.mem_rnd_alloc 2000 2000 80k", reply);
	real.malloc = allocator;
}

START_TEST(what_succeeded_before_the_budgets_refusal_is_told)
{
	expect_after_five(lower_the_limit_after_five,
			  "400 memory allocation failed (1 errors): 2000 bytes asked, 10000 held, max_bytes is 95; "
			  "10000 bytes in 5 chunks were allocated and stay");
	recorder_expect("mt.mem_used", "10000");
}
END_TEST

/* As mt.reset of another client does it, some refusals later. */
static void *cancel_after_five(size_t size)
{
	if (++calls == 8)
		job_cancel_all();
	return calls > 5 ? NULL : allocator(size);
}

START_TEST(cancelled_allocation_does_not_say_that_it_stays)
{
	expect_after_five(cancel_after_five, "409 cancelled: 5 chunks, 10000 bytes were allocated until then, and everything "
					     "is being freed");
}
END_TEST

START_TEST(reset_takes_everything_back)
{
	recorder_expect("mt.mem_alloc 100", "");
	recorder_call("mt.mem_test_start 1 1 10 1h 1h 2h");
	recorder_expect("mt.reset", "100");
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(sched_count().running, 0);
	ck_assert_uint_eq(sched_count().stopped, 1); /* its statistics stay */
	recorder_expect("mt.reset", "0");
}
END_TEST

static void *refuse(void *at, size_t size)
{
	(void)at;
	(void)size;
	return NULL;
}

START_TEST(realloc_resizes_a_chunk_of_the_hand_pool)
{
	void *(*before)(void *, size_t) = real.realloc;

	recorder_expect_beginning("mt.mem_realloc 0", "400 invalid parameter values: size 0 would free it");
	recorder_expect_beginning("mt.mem_realloc", "400 error at parameter 0: ");
	recorder_expect_beginning("mt.mem_realloc 1 k k", "400 too many arguments: 'k'");
	recorder_expect_beginning("mt.mem_realloc 10 k", "400 nothing to resize (mt.mem_alloc ");
	recorder_expect("mt.mem_alloc 100", "");
	recorder_expect("mt.mem_realloc 10 k", "");
	recorder_expect("mt.mem_used", "10240");
	recorder_expect("mt.mem_realloc 1", "");
	recorder_expect("mt.mem_used", "1");
	recorder_expect("mt.mem_realloc 16t", "400 memory allocation failed: the allocator refused, and a chunk "
					      "of 1 bytes stays as it was");
	real.realloc = refuse;
	recorder_expect("mt.mem_realloc 2", "400 memory allocation failed: the allocator refused, and a chunk "
					    "of 1 bytes stays as it was");
	real.realloc = before;
	atomic_store(&budget_max_bytes, 1000);
	recorder_expect("mt.mem_realloc 1001", "400 memory allocation failed: 1000 bytes asked, 1 held, "
					       "max_bytes is 1000");
	recorder_expect("mt.mem_realloc 1000", "");
	recorder_expect("mt.mem_free", "1000");
}
END_TEST

START_TEST(check_answers_what_it_found)
{
	struct chunk_cursor at = { 0 };
	char expected[200];
	struct chunk c;
	unsigned char *byte;

	recorder_expect("mt.mem_check", "{chunks=0 damaged=0 list=[]}");
	recorder_expect("mt.mem_alloc 10", "");
	recorder_expect("mt.mem_check", "{chunks=0 damaged=0 list=[]}");
	atomic_store(&content_check, 1);
	recorder_expect("mt.mem_alloc 100", "");
	recorder_expect("mt.mem_alloc 200", "");
	recorder_expect("mt.mem_check", "{chunks=2 damaged=0 list=[]}");
	ck_assert(chunk_prev(&hand_pool, &at, &c) && chunk_prev(&hand_pool, &at, &c));
	byte = (unsigned char *)c.addr + 9;
	*byte ^= 1;
	snprintf(expected, sizeof(expected),
		 "{chunks=2 damaged=1 list=[{test=0 chunk=1 address='%p' offset=9 expected=%d found=%d}]}", c.addr,
		 *byte ^ 1, *byte);
	recorder_expect("mt.mem_check", expected);
	recorder_expect("mt.mem_check", expected);
	recorder_expect_beginning("mt.mem_check 1", "400 too many arguments: '1'");
	recorder_expect("mt.mem_used", "310");
}
END_TEST

UNIT_SUITE(cmd_mem, allocated_bytes_are_used_until_freed, free_answers_in_the_unit_given_rounded_down,
	   free_frees_as_the_original_does, random_allocation_is_exactly_the_total,
	   sizes_that_cannot_be_are_refused, what_the_limit_forbids_is_refused_as_a_whole,
	   what_succeeded_before_a_failure_stays, what_succeeded_before_the_budgets_refusal_is_told,
	   cancelled_allocation_does_not_say_that_it_stays, reset_takes_everything_back,
	   realloc_resizes_a_chunk_of_the_hand_pool, check_answers_what_it_found)
