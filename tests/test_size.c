/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes as commands and settings accept them: a percentage is of the memory. */
#include <errno.h>

#include "control/size.h"
#include "inject/system.h"
#include "tests/unit.h"

START_TEST(percentage_is_a_share_of_the_memory_in_bytes)
{
	struct headroom memory;
	uint64_t whole, bytes;

	ck_assert_int_eq(system_memory(&memory), 0);
	whole = memory.total_bytes;
	ck_assert_uint_gt(whole, 1 << 20);
	ck_assert_int_eq(size_parse("100%", 0, &bytes), 0);
	ck_assert_uint_eq(bytes, whole);
	ck_assert_int_eq(size_parse("25%", 0, &bytes), 0);
	ck_assert_uint_eq(bytes, whole / 4);
	ck_assert_int_eq(size_parse("12.5%", 0, &bytes), 0);
	ck_assert_uint_eq(bytes, whole / 8);
	ck_assert_int_eq(size_parse("0.000001%", 0, &bytes), 0);
	ck_assert_uint_eq(bytes, whole / 100000000);
}
END_TEST

/* The tightest limit of all: no group, and not the machine, has less. */
START_TEST(memory_is_what_the_tightest_limit_leaves)
{
	struct headroom memory, spare;
	uint64_t machine = system_field("/proc/meminfo", "MemTotal:") * 1024;

	ck_assert_int_eq(system_memory(&memory), 0);
	ck_assert_int_eq(system_headroom(0, &spare), 0);
	ck_assert_uint_le(memory.total_bytes, machine);
	ck_assert_uint_le(memory.total_bytes, spare.total_bytes);
}
END_TEST

START_TEST(other_sizes_are_as_ever_and_errors_are_told_apart)
{
	uint64_t bytes = 7;

	ck_assert_int_eq(size_parse("10", 10, &bytes), 0);
	ck_assert_uint_eq(bytes, 10240);
	ck_assert_int_eq(size_parse("1Gi", 10, &bytes), 0);
	ck_assert_uint_eq(bytes, 1 << 30);
	ck_assert_int_eq(size_parse("101%", 0, &bytes), -EDOM);
	ck_assert_int_eq(size_parse("0%", 0, &bytes), -EINVAL);
	ck_assert_int_eq(size_parse("%", 0, &bytes), -EINVAL);
	ck_assert_int_eq(size_parse("", 0, &bytes), -EINVAL);
	ck_assert_int_eq(size_parse("99999999999999999999", 0, &bytes), -ERANGE);
	ck_assert_uint_eq(bytes, 1 << 30);
	ck_assert(size_is_percent("1%") && size_is_percent("%") && !size_is_percent("") && !size_is_percent("1%k"));
}
END_TEST

UNIT_SUITE(size, percentage_is_a_share_of_the_memory_in_bytes, memory_is_what_the_tightest_limit_leaves,
	   other_sizes_are_as_ever_and_errors_are_told_apart)
