/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in a chunk: the pattern at every size and split, pages made resident and given back. */
#include "inject/content.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"
#include "tests/unit.h"

#define SIZES 200
#define PAGES 16

START_TEST(pattern_is_verified_at_every_size)
{
	unsigned char bytes[SIZES + 2];

	for (size_t size = 0; size <= SIZES; size++) {
		memset(bytes, 0xa5, sizeof(bytes));
		content_fill(bytes + 1, 0, size);
		ck_assert_uint_eq(content_verify(bytes + 1, 0, size), SIZE_MAX);
		ck_assert_uint_eq(bytes[0], 0xa5);
		ck_assert_uint_eq(bytes[size + 1], 0xa5);
		for (size_t i = 0; i < size; i++)
			ck_assert_uint_eq(bytes[1 + i], content_expected(i));
	}
}
END_TEST

START_TEST(pattern_is_the_same_whatever_the_split)
{
	unsigned char whole[SIZES], parts[SIZES];

	for (size_t size = SIZES - 9; size <= SIZES; size++) {
		content_fill(whole, 0, size);
		for (size_t split = 0; split <= size; split += 8) {
			memset(parts, 0, sizeof(parts));
			content_fill(parts, 0, split);
			content_fill(parts, split, size);
			ck_assert_mem_eq(parts, whole, size);
			ck_assert_uint_eq(content_verify(whole, 0, split), SIZE_MAX);
			ck_assert_uint_eq(content_verify(whole, split, size), SIZE_MAX);
		}
	}
}
END_TEST

START_TEST(every_flipped_byte_is_found_where_it_is)
{
	unsigned char bytes[SIZES];

	for (size_t size = SIZES - 9; size <= SIZES; size++) {
		content_fill(bytes, 0, size);
		for (size_t at = 0; at < size; at++)
			for (int bit = 0; bit < 8; bit++) {
				bytes[at] ^= (unsigned char)(1 << bit);
				ck_assert_uint_eq(content_verify(bytes, 0, size), at);
				bytes[at] ^= (unsigned char)(1 << bit);
			}
	}
}
END_TEST

START_TEST(first_of_several_damaged_bytes_is_named)
{
	unsigned char bytes[SIZES];

	content_fill(bytes, 0, sizeof(bytes));
	bytes[100] ^= 1;
	bytes[33] ^= 1;
	ck_assert_uint_eq(content_verify(bytes, 0, sizeof(bytes)), 33);
	ck_assert_uint_eq(content_verify(bytes, 40, sizeof(bytes)), 100);
	ck_assert_uint_eq(content_verify(bytes, 104, sizeof(bytes)), SIZE_MAX);
}
END_TEST

START_TEST(pattern_differs_from_word_to_word)
{
	for (size_t word = 1; word < 1000; word++) {
		unsigned same = 0;

		for (size_t i = 0; i < 8; i++)
			same += content_expected(8 * word + i) == content_expected(8 * (word - 1) + i);
		ck_assert_uint_lt(same, 8);
	}
}
END_TEST

/* Bit N says that page N is resident. */
static unsigned resident(void *map, size_t page)
{
	unsigned char pages[PAGES];
	unsigned bits = 0;

	ck_assert_int_eq(mincore(map, PAGES * page, pages), 0);
	for (unsigned i = 0; i < PAGES; i++)
		bits |= (pages[i] & 1u) << i;
	return bits;
}

START_TEST(exactly_the_pages_of_the_range_become_resident)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct {
		size_t from, to;
		unsigned pages;
	} ranges[] = {
		{ 0, PAGES * page, 0xffff },	      { 0, 0, 0 },
		{ 3 * page, 5 * page, 0x18 },	      { 3 * page + 1, 5 * page - 1, 0x18 },
		{ 4 * page - 1, 4 * page, 0x08 },     { 4 * page - 1, 4 * page + 1, 0x18 },
		{ 7 * page + 9, 7 * page + 10, 0x80 }, { 5, 5, 0 },
	};

	for (size_t i = 0; i < COUNT(ranges); i++) {
		char *map = pool_map(PAGES * page);

		/* A huge page would come whole. */
		madvise(map, PAGES * page, MADV_NOHUGEPAGE);
		ck_assert_uint_eq(resident(map, page), 0);
		content_make_resident(map, ranges[i].from, ranges[i].to);
		ck_assert_uint_eq(resident(map, page), ranges[i].pages);
		pool_unmap(map, PAGES * page);
	}
}
END_TEST

START_TEST(purge_gives_back_whole_pages_only)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = pool_map(PAGES * page);

	madvise(map, PAGES * page, MADV_NOHUGEPAGE);
	memset(map, 'x', PAGES * page);
	content_purge(map, 2 * page + 1, 5 * page - 1);
	ck_assert_uint_eq(resident(map, page), 0xffff & ~0x8u);
	ck_assert_int_eq(map[3 * page - 1], 'x');
	ck_assert_int_eq(map[4 * page], 'x');
	content_purge(map, 8 * page + 1, 9 * page - 1); /* no whole page in it */
	ck_assert_int_eq(map[8 * page + page / 2], 'x');
	ck_assert_int_eq(map[3 * page], 0);
	content_purge(map, 0, PAGES * page);
	ck_assert_uint_eq(resident(map, page), 0);
	pool_unmap(map, PAGES * page);
}
END_TEST

UNIT_SUITE(content, pattern_is_verified_at_every_size, pattern_is_the_same_whatever_the_split,
	   every_flipped_byte_is_found_where_it_is, first_of_several_damaged_bytes_is_named,
	   pattern_differs_from_word_to_word, exactly_the_pages_of_the_range_become_resident,
	   purge_gives_back_whole_pages_only)
