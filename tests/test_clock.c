/* SPDX-License-Identifier: BSD-2-Clause */
/* Time only goes forward, and what is left of it is never negative. */
#include "base/clock.h"
#include "tests/unit.h"

START_TEST(clock_never_goes_back)
{
	uint64_t last = clock_ns();

	for (int i = 0; i < 100000; i++) {
		uint64_t now = clock_ns();

		ck_assert_uint_ge(now, last);
		last = now;
	}
}
END_TEST

START_TEST(what_is_left_until_a_deadline)
{
	static const struct {
		uint64_t deadline, now;
		long long s;
		long ns;
	} cases[] = {
		{ 5 * NS_PER_S, 3 * NS_PER_S, 2, 0 },
		{ 5 * NS_PER_S + 7, 3 * NS_PER_S + 8, 1, 999999999 },
		{ 3 * NS_PER_MS, 0, 0, 3000000 },
		{ 5, 5, 0, 0 },
		{ 5, 6, 0, 0 },
		{ 0, UINT64_MAX, 0, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct timespec left = clock_until(cases[i].deadline, cases[i].now);

		ck_assert_int_eq(left.tv_sec, cases[i].s);
		ck_assert_int_eq(left.tv_nsec, cases[i].ns);
	}
}
END_TEST

UNIT_SUITE(clock, clock_never_goes_back, what_is_left_until_a_deadline)
