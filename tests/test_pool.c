/* SPDX-License-Identifier: BSD-2-Clause */
/* Private mappings and the slab: objects are distinct, aligned, and their blocks go back. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pool.h"
#include "tests/unit.h"

#define OBJECTS 9000 /* of 512 bytes: five blocks */

struct object {
	uint64_t words[64];
};

static struct object *objects[OBJECTS];

static void get_one(struct slab *s, uint64_t mark)
{
	struct object *o = slab_get(s);

	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq((uintptr_t)o % sizeof(*o), 0);
	for (size_t n = 0; n < COUNT(o->words); n++)
		o->words[n] = mark;
	objects[mark] = o;
}

static void get_all(struct slab *s)
{
	for (uint64_t i = 0; i < OBJECTS; i++)
		get_one(s, i);
}

/* Were two the same, or overlapping, one would have the other's mark. */
static void check_mark(uint64_t i)
{
	size_t n = 0;

	while (n < COUNT(objects[i]->words) && objects[i]->words[n] == i)
		n++;
	ck_assert_uint_eq(n, COUNT(objects[i]->words));
}

static void give_last_block_back(struct slab *s)
{
	ck_assert_ptr_nonnull(s->open);
	ck_assert_int_eq(munmap(s->open, (size_t)1 << 20), 0);
}

START_TEST(objects_are_distinct_and_aligned)
{
	struct slab s = SLAB_OF(struct object);

	get_all(&s);
	ck_assert_uint_eq(s.blocks, 5);
	for (uint64_t i = 0; i < OBJECTS; i++)
		check_mark(i);
	for (uint64_t i = 0; i < OBJECTS; i++)
		slab_put(&s, objects[i]);
	give_last_block_back(&s);
}
END_TEST

START_TEST(blocks_go_back_but_for_the_last)
{
	struct slab s = SLAB_OF(struct object);

	for (int round = 0; round < 3; round++) {
		get_all(&s);
		for (uint64_t i = 0; i < OBJECTS; i++)
			slab_put(&s, objects[i]);
		ck_assert_uint_eq(s.blocks, 1);
	}
	give_last_block_back(&s);
}
END_TEST

START_TEST(objects_may_be_freed_and_taken_in_any_order)
{
	struct slab s = SLAB_OF(struct object);
	struct prng random = unit_random("objects_may_be_freed_and_taken_in_any_order");

	get_all(&s);
	for (int round = 0; round < 20000; round++) {
		uint64_t i = prng_range(&random, 0, OBJECTS - 1);

		check_mark(i);
		slab_put(&s, objects[i]);
		get_one(&s, i);
	}
	for (uint64_t left = OBJECTS; left; left--) {
		uint64_t i = prng_range(&random, 0, left - 1);
		struct object *o = objects[i];

		ck_assert_uint_eq(o->words[0], o->words[63]);
		objects[i] = objects[left - 1];
		slab_put(&s, o);
	}
	ck_assert_uint_eq(s.blocks, 1);
	give_last_block_back(&s);
}
END_TEST

START_TEST(last_block_keeps_few_pages)
{
	struct slab s = SLAB_OF(struct object);
	unsigned char resident[256];
	unsigned pages = 0;

	get_all(&s);
	for (uint64_t i = 0; i < OBJECTS; i++)
		slab_put(&s, objects[i]);
	ck_assert_int_eq(mincore(s.open, (size_t)1 << 20, resident), 0);
	for (size_t i = 0; i < COUNT(resident); i++)
		pages += resident[i] & 1;
	ck_assert_uint_le(pages, 16);
	give_last_block_back(&s);
}
END_TEST

START_TEST(mapping_is_zeroed_and_keeps_its_content_when_resized)
{
	char *at = pool_map(4096), zeros[4096] = { 0 };

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(memcmp(at, zeros, sizeof(zeros)), 0);
	memset(at, 'x', 4096);
	at = pool_resize(at, 4096, 64 * 4096);
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(at[0], 'x');
	ck_assert_int_eq(at[4095], 'x');
	ck_assert_int_eq(memcmp(at + 4096, zeros, sizeof(zeros)), 0);
	pool_unmap(at, 64 * 4096);
}
END_TEST

static unsigned resident_pages(void *at, size_t pages)
{
	unsigned char present[64];
	unsigned count = 0;

	ck_assert_uint_le(pages, sizeof(present));
	ck_assert_int_eq(mincore(at, pages * 4096, present), 0);
	for (size_t i = 0; i < pages; i++)
		count += present[i] & 1;
	return count;
}

/* Where the limit lets the test lock at all. */
START_TEST(pages_are_resident_once_touched_also_after_mlockall)
{
	char *at;

	if (mlockall(MCL_FUTURE) < 0)
		return;
	at = pool_map(64 * 4096);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(resident_pages(at, 64), 0);
	at[0] = at[5 * 4096] = 'x';
	ck_assert_uint_eq(resident_pages(at, 64), 2);
	at = pool_resize(at, 64 * 4096, 32 * 4096);
	ck_assert_uint_eq(resident_pages(at, 32), 2);
	munlockall();
	pool_unmap(at, 32 * 4096);
}
END_TEST

START_TEST(returned_pages_leave_although_they_were_locked)
{
	char *at = pool_map(64 * 4096);

	ck_assert_ptr_nonnull(at);
	memset(at, 'x', 64 * 4096);
	if (mlock(at, 64 * 4096) < 0)
		return;
	errno = EXDEV;
	pool_return(at + 4096, 63 * 4096);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_uint_eq(resident_pages(at, 64), 1);
	ck_assert_int_eq(at[0], 'x');
	ck_assert_int_eq(at[4096], 0);
	pool_unmap(at, 64 * 4096);
}
END_TEST

START_TEST(impossible_mapping_is_null_and_errno_stays)
{
	void *at = pool_map(4096);

	errno = EXDEV;
	ck_assert_ptr_null(pool_map(SIZE_MAX / 2));
	ck_assert_ptr_null(pool_resize(at, 4096, SIZE_MAX / 2));
	ck_assert_int_eq(errno, EXDEV);
	*(char *)at = 1; /* still there */
	pool_unmap(at, 4096);
}
END_TEST

UNIT_SUITE(pool, objects_are_distinct_and_aligned, blocks_go_back_but_for_the_last,
	   objects_may_be_freed_and_taken_in_any_order, last_block_keeps_few_pages,
	   mapping_is_zeroed_and_keeps_its_content_when_resized,
	   pages_are_resident_once_touched_also_after_mlockall, returned_pages_leave_although_they_were_locked,
	   impossible_mapping_is_null_and_errno_stays)
