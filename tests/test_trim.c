/* SPDX-License-Identifier: BSD-2-Clause */
/* Free pages given back, by the C library's allocator or by whichever these tests are run with. */
#include "host/trim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/real.h"
#include "inject/system.h"
#include "tests/recorder.h"
#include "tests/unit.h"

START_TEST(the_allocators_own_function_is_named)
{
	static const struct {
		const char *allocator, *how;
	} known[] = {
		{ "libc.so.6", "malloc_trim" },
		{ "libjemalloc.so.2", "mallctl" },
		{ "libtcmalloc_minimal.so.4", "MallocExtension_ReleaseFreeMemory" },
		{ "libmimalloc.so.2", "mi_collect" },
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (strncmp(real_allocator(), known[i].allocator, strlen(known[i].allocator)) == 0) {
			ck_assert_str_eq(trim_how(), known[i].how);
			return;
		}
	ck_assert_str_eq(trim_how(), "none");
}
END_TEST

/* Which puts an allocator of its own in the C library's place, while malloc_trim stays. */
static bool is_under_memcheck(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

START_TEST(free_pages_between_blocks_in_use_are_given_back)
{
	enum { BLOCKS = 20000 };
	const uint64_t page = 4096, freed = (uint64_t)BLOCKS / 2 * 2 * page;
	static void *blocks[BLOCKS];
	uint64_t full;

	if (strcmp(trim_how(), "malloc_trim") != 0)
		return; /* others need not leave pages of small blocks resident in the first place */
	if (is_under_memcheck())
		return;
	for (size_t i = 0; i < BLOCKS; i++)
		memset(blocks[i] = real.malloc(i % 2 ? 3 * page : 100), 1, i % 2 ? 3 * page : 100);
	for (size_t i = 1; i < BLOCKS; i += 2)
		real.free(blocks[i]);
	full = system_resident();
	ck_assert_uint_ge(full, freed);
	trim_thread();
	ck_assert(trim_has_heap());
	trim_heap();
	ck_assert_uint_le(system_resident(), full - freed * 9 / 10);
	for (size_t i = 0; i < BLOCKS; i += 2)
		real.free(blocks[i]);
}
END_TEST

/* Does the C library give a block of this size a mapping of its own, of which it counts `hblks`? */
static bool is_mapped(size_t size)
{
	size_t before = mallinfo2().hblks, after;
	void *block = real.malloc(size);

	after = mallinfo2().hblks;
	trim_free(block, size);
	return after > before;
}

START_TEST(large_block_that_is_freed_leaves_the_allocator_as_it_was)
{
	enum { PROBE = 1 << 20 };
	static const size_t sizes[] = { 1, 4096, 100000, 1 << 20, 5000001, 20 << 20, 40 << 20 };

	/* Without forks another test's own frees may have come before. */
	if (strcmp(trim_how(), "malloc_trim") != 0 || is_under_memcheck() || !is_mapped(PROBE))
		return;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		void *block = real.malloc(sizes[i]);

		memset(block, 1, sizes[i]);
		trim_free(block, sizes[i]);
		ck_assert_msg(is_mapped(PROBE), "after %zu bytes", sizes[i]);
	}
	real.free(real.malloc(20 << 20));
	ck_assert_msg(!is_mapped(PROBE), "a plain free of 20 MiB is what would be seen");
}
END_TEST

START_TEST(the_command_says_how_and_what_came_of_it)
{
	char expected[80];

	snprintf(expected, sizeof(expected), "{how='%s' resident_before=", trim_how());
	recorder_expect_beginning("mt.mem_trim", expected);
	/* No process is as large as a tebibyte. */
	snprintf(expected, sizeof(expected), "{how='%s' resident_before=0 resident_after=0}", trim_how());
	recorder_expect("mt.mem_trim t", expected);
	recorder_expect_beginning("mt.mem_trim 5", "500 ");
}
END_TEST

UNIT_SUITE(trim, the_allocators_own_function_is_named, free_pages_between_blocks_in_use_are_given_back,
	   large_block_that_is_freed_leaves_the_allocator_as_it_was, the_command_says_how_and_what_came_of_it)
