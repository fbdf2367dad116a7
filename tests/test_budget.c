/* SPDX-License-Identifier: BSD-2-Clause */
/* What injection may take: max_bytes to the byte, the part of memory to keep, and the figures in
   every refusal. The bytes are only counted; nothing is allocated. */
#include "inject/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inject/system.h"
#include "tests/unit.h"

START_TEST(limit_is_exact_to_the_byte)
{
	char why[BUDGET_WHY_MAX] = "";
	uint64_t refusals = budget_refusals();

	atomic_store(&budget_max_bytes, 1000);
	ck_assert_int_eq(budget_take(999, why), 0);
	ck_assert_int_eq(budget_take(1, why), 0);
	ck_assert_uint_eq(budget_used(), 1000);
	budget_post(600);
	ck_assert_uint_eq(budget_used(), 1000);
	ck_assert_uint_eq(budget_held(), 400);
	budget_post(-600);
	ck_assert_uint_eq(budget_held(), 1000);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(budget_take(1, why), -EDQUOT);
	ck_assert_str_eq(why, "1 bytes asked, 1000 held, max_bytes is 1000");
	ck_assert_uint_eq(budget_used(), 1000);
	ck_assert_uint_eq(budget_refusals(), refusals + 1);
	ck_assert_int_eq(budget_take(0, NULL), 0);
	budget_give(1);
	ck_assert_int_eq(budget_take(2, NULL), -EDQUOT);
	ck_assert_int_eq(budget_take(1, NULL), 0);
	ck_assert_uint_eq(budget_refusals(), refusals + 2);
	budget_give(1000);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(huge_requests_do_not_wrap_around)
{
	atomic_store(&budget_max_bytes, 1000);
	ck_assert_int_eq(budget_take(500, NULL), 0);
	ck_assert_int_eq(budget_take(UINT64_MAX, NULL), -EDQUOT);
	ck_assert_int_eq(budget_take(UINT64_MAX - 499, NULL), -EDQUOT);
	ck_assert_int_eq(budget_check(UINT64_MAX - 499, NULL), -EDQUOT);
	ck_assert_uint_eq(budget_used(), 500);
	budget_give(500);
}
END_TEST

START_TEST(limit_below_what_is_held_refuses_even_a_byte)
{
	ck_assert_int_eq(budget_take(500, NULL), 0);
	atomic_store(&budget_max_bytes, 100);
	ck_assert_int_eq(budget_take(1, NULL), -EDQUOT);
	ck_assert_int_eq(budget_check(1, NULL), -EDQUOT);
	budget_give(500);
	ck_assert_int_eq(budget_take(100, NULL), 0);
	budget_give(100);
}
END_TEST

START_TEST(check_takes_nothing)
{
	char why[BUDGET_WHY_MAX] = "";
	uint64_t refusals = budget_refusals();

	atomic_store(&budget_max_bytes, 1000);
	ck_assert_int_eq(budget_check(1000, why), 0);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_int_eq(budget_check(1001, why), -EDQUOT);
	ck_assert_str_eq(why, "1001 bytes asked, 0 held, max_bytes is 1000");
	ck_assert_uint_eq(budget_refusals(), refusals + 1);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(keeping_all_memory_available_refuses_with_the_figures)
{
	char why[BUDGET_WHY_MAX] = "", place[BUDGET_WHY_MAX];
	uint64_t available, total;
	unsigned percent;
	struct headroom h;
	const char *has;

	atomic_store(&budget_available_percent, 100);
	budget_forget();
	ck_assert_int_eq(system_headroom(100, &h), 0);
	ck_assert_int_eq(budget_take(1 << 20, why), -EDQUOT);
	snprintf(place, sizeof(place), "1048576 bytes asked, %s has ", h.place);
	ck_assert_int_eq(strncmp(why, place, strlen(place)), 0);
	has = why + strlen(place);
	ck_assert_int_eq(sscanf(has, "%" SCNu64 " of %" SCNu64
				     " available and min_available_percent keeps %u%%",
				&available, &total, &percent),
			 3);
	ck_assert_uint_eq(total, h.total_bytes);
	ck_assert_uint_le(available, total);
	ck_assert_uint_eq(percent, 100);
	ck_assert_int_eq(budget_check(1 << 20, NULL), -EDQUOT);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

START_TEST(small_requests_are_granted_where_memory_is_free)
{
	atomic_store(&budget_available_percent, 1);
	budget_forget();
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(budget_take(10, NULL), 0);
	ck_assert_uint_eq(budget_used(), 10000);
	ck_assert_int_eq(budget_take(UINT64_MAX / 4, NULL), -EDQUOT);
	budget_give(10000);
}
END_TEST

/* Sixteen parts are free: fifteen are taken and not yet touched, so two more are too many. */
START_TEST(credit_is_of_what_the_grant_left)
{
	struct headroom h;
	uint64_t part;

	atomic_store(&budget_available_percent, 5);
	budget_forget();
	ck_assert_int_eq(system_headroom(5, &h), 0);
	part = system_spare(&h, 5) / 16;
	ck_assert_int_eq(budget_take(15 * part, NULL), 0);
	budget_pending((int64_t)(15 * part));
	ck_assert_int_eq(budget_take(2 * part - 2, NULL), -EDQUOT);
	budget_pending(-(int64_t)(15 * part));
	budget_give(15 * part);
}
END_TEST

START_TEST(bytes_not_yet_touched_are_not_available)
{
	char why[BUDGET_WHY_MAX] = "";
	struct headroom h;

	atomic_store(&budget_available_percent, 1);
	ck_assert_int_eq(system_headroom(1, &h), 0);
	budget_pending((int64_t)h.total_bytes);
	ck_assert_int_eq(budget_check(1, why), -EDQUOT);
	ck_assert_ptr_nonnull(strstr(why, " has 0 of "));
	budget_pending(-(int64_t)h.total_bytes);
	ck_assert_int_eq(budget_check(1, NULL), 0);
}
END_TEST

START_TEST(child_starts_with_what_it_adopted)
{
	ck_assert_int_eq(budget_take(70, NULL), 0);
	budget_pending(INT64_MAX / 2);
	budget_adopt(30);
	ck_assert_uint_eq(budget_used(), 30);
	atomic_store(&budget_available_percent, 1);
	ck_assert_int_eq(budget_check(1, NULL), 0); /* nothing is pending any more */
	budget_give(30);
}
END_TEST

/* Inside the gate a megabyte is taken in advance: nobody may see that, and no limit be missed by it. */
START_TEST(what_is_taken_in_advance_is_not_used)
{
	struct prng random = unit_random("what_is_taken_in_advance_is_not_used");
	uint64_t held = 0;

	for (int i = 0; i < 100000; i++) {
		uint64_t bytes = prng_range(&random, 0, i % 100 ? 5000 : 3000000);

		if (prng_range(&random, 0, 1) && held >= bytes) {
			budget_give_inside(bytes);
			held -= bytes;
		} else {
			ck_assert_int_eq(budget_take_inside(bytes, NULL), 0);
			held += bytes;
		}
		ck_assert_uint_eq(budget_used(), held);
	}
	atomic_store(&budget_max_bytes, held + 10);
	ck_assert_int_eq(budget_take_inside(11, NULL), -EDQUOT);
	ck_assert_int_eq(budget_take_inside(10, NULL), 0);
	ck_assert_int_eq(budget_take(1, NULL), -EDQUOT);
	budget_give_inside(held + 10);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

UNIT_SUITE(budget, what_is_taken_in_advance_is_not_used, limit_is_exact_to_the_byte, huge_requests_do_not_wrap_around,
	   limit_below_what_is_held_refuses_even_a_byte, check_takes_nothing,
	   keeping_all_memory_available_refuses_with_the_figures,
	   small_requests_are_granted_where_memory_is_free, credit_is_of_what_the_grant_left,
	   bytes_not_yet_touched_are_not_available, child_starts_with_what_it_adopted)
