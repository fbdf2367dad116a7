/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory is left, and how much of that may be taken. */
#include "inject/system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit.h"

START_TEST(spare_is_what_lies_above_the_part_to_keep)
{
	static const struct {
		uint64_t total, available;
		unsigned percent;
		uint64_t spare;
	} cases[] = {
		{ 1000, 400, 0, 400 },	 { 1000, 400, 5, 350 }, { 1000, 400, 40, 0 },
		{ 1000, 400, 41, 0 },	 { 1000, 1000, 100, 0 }, { 1000, 0, 5, 0 },
		{ UINT64_C(1) << 60, UINT64_C(1) << 60, 50, (UINT64_C(1) << 60) -
						    (UINT64_C(1) << 60) / 100 * 50 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct headroom h = { .total_bytes = cases[i].total,
				      .available_bytes = cases[i].available };

		ck_assert_uint_eq(system_spare(&h, cases[i].percent), cases[i].spare);
	}
}
END_TEST

static uint64_t mem_total(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kib = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "MemTotal: %llu kB", &kib), 1);
	fclose(f);
	return kib * 1024;
}

START_TEST(headroom_is_that_of_the_machine_or_of_a_smaller_group)
{
	struct headroom h;

	errno = EXDEV;
	ck_assert_int_eq(system_headroom(5, &h), 0);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_uint_gt(h.available_bytes, 0);
	ck_assert_uint_le(h.available_bytes, h.total_bytes);
	if (strcmp(h.place, "the machine") == 0)
		ck_assert_uint_eq(h.total_bytes, mem_total());
	else
		ck_assert_int_eq(strncmp(h.place, "cgroup /", 8), 0);
}
END_TEST

UNIT_SUITE(system, spare_is_what_lies_above_the_part_to_keep,
	   headroom_is_that_of_the_machine_or_of_a_smaller_group)
