/* SPDX-License-Identifier: BSD-2-Clause */
/* What is made where an allocator lacks something. The file is compiled in once more, between objects and functions that are
   told here what there is and note what they are asked for. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/lacking.h"
#include "host/object.h"
#include "tests/unit.h"

/* Where each is found: of those the first counts. */
static struct {
	unsigned free, memalign, posix_memalign, aligned_alloc;
} places;
#define NOWHERE 9u

static struct {
	size_t alignment, size;
	void *at;
} asked;
static bool refuses;
static char block[64];

static void *given(size_t alignment, size_t size)
{
	asked.alignment = alignment;
	asked.size = size;
	errno = refuses ? ENOMEM : errno;
	return refuses ? NULL : block;
}

static void *fake_memalign(size_t alignment, size_t size)
{
	return given(alignment, size);
}

static void *fake_aligned_alloc(size_t alignment, size_t size)
{
	return given(alignment, size);
}

static int fake_posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = given(alignment, size);
	return *out ? 0 : ENOMEM;
}

static void *fake_realloc(void *at, size_t size)
{
	asked.at = at;
	return given(0, size);
}

static void *fake_first(const char *name, unsigned but_place, struct object *found)
{
	unsigned place = strcmp(name, "free") == 0	     ? places.free :
			 strcmp(name, "memalign") == 0	     ? places.memalign :
			 strcmp(name, "posix_memalign") == 0 ? places.posix_memalign :
							       places.aligned_alloc;

	(void)but_place;
	found->place = place;
	return place == NOWHERE ? NULL : block;
}

static void *fake_function(const struct object *o, const char *name)
{
	struct object found;

	return fake_first(name, 0, &found) && found.place == o->place ? block : NULL;
}

void fake_make(struct heap *h);

/* Calls alone: members of the struct have the same names. */
#define memalign(alignment, size) fake_memalign(alignment, size)
#define aligned_alloc(alignment, size) fake_aligned_alloc(alignment, size)
#define posix_memalign(out, alignment, size) fake_posix_memalign(out, alignment, size)
#define realloc(at, size) fake_realloc(at, size)
#define object_first fake_first
#define object_function fake_function
#define lacking_make fake_make
#include "host/lacking.c"
#undef memalign
#undef aligned_alloc
#undef posix_memalign
#undef realloc
#undef object_first
#undef object_function
#undef lacking_make

static struct heap made_with(unsigned free_place, unsigned memalign_place, unsigned posix_place, unsigned aligned_place)
{
	struct heap h = { 0 };

	places.free = free_place;
	places.memalign = memalign_place;
	places.posix_memalign = posix_place;
	places.aligned_alloc = aligned_place;
	refuses = false;
	fake_make(&h);
	ck_assert(h.reallocarray && h.valloc && h.pvalloc);
	ck_assert(!h.malloc && !h.calloc && !h.realloc && !h.free && !h.malloc_usable_size);
	return h;
}

START_TEST(what_is_there_stays)
{
	struct heap h = made_with(2, 2, 2, 2);

	ck_assert(!h.memalign && !h.posix_memalign && !h.aligned_alloc);
	h = made_with(3, 1, 3, 2); /* wrappers in front of it */
	ck_assert(!h.memalign && !h.posix_memalign && !h.aligned_alloc);
}
END_TEST

START_TEST(where_nothing_is_to_make_it_of_it_stays)
{
	struct heap h = made_with(0, 3, 3, 3);

	ck_assert(!h.memalign && !h.posix_memalign && !h.aligned_alloc);
	h = made_with(NOWHERE, NOWHERE, NOWHERE, NOWHERE);
	ck_assert(!h.memalign && !h.posix_memalign && !h.aligned_alloc);
}
END_TEST

START_TEST(each_that_aligns_is_made_of_each_other)
{
	static const unsigned there[][3] = { { 0, 3, 3 }, { 3, 0, 3 }, { 3, 3, 0 }, { 0, 0, 3 }, { 3, 0, 0 }, { NOWHERE, 0, NOWHERE } };

	for (size_t i = 0; i < COUNT(there); i++) {
		struct heap h = made_with(0, there[i][0], there[i][1], there[i][2]);
		void *at = NULL;

		ck_assert_int_eq(!h.memalign, there[i][0] == 0);
		ck_assert_int_eq(!h.posix_memalign, there[i][1] == 0);
		ck_assert_int_eq(!h.aligned_alloc, there[i][2] == 0);
		if (h.memalign)
			ck_assert_ptr_eq(h.memalign(128, 256), block);
		if (h.aligned_alloc)
			ck_assert_ptr_eq(h.aligned_alloc(128, 256), block);
		if (h.posix_memalign)
			ck_assert(h.posix_memalign(&at, 128, 256) == 0 && at == block);
		ck_assert(asked.alignment == 128 && asked.size == 256);
	}
}
END_TEST

START_TEST(a_made_posix_memalign_keeps_to_the_standard)
{
	struct heap h = made_with(0, 0, 3, 3);
	void *at = &h;

	errno = EXDEV;
	ck_assert_int_eq(h.posix_memalign(&at, 0, 1), EINVAL);
	ck_assert_int_eq(h.posix_memalign(&at, 4, 1), EINVAL);
	ck_assert_int_eq(h.posix_memalign(&at, 24, 1), EINVAL);
	refuses = true;
	ck_assert_int_eq(h.posix_memalign(&at, 64, 1), ENOMEM);
	ck_assert_ptr_eq(at, &h);
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(those_made_of_posix_memalign_and_aligned_alloc_keep_to_what_these_want)
{
	struct heap h = made_with(0, 3, 0, 3);

	ck_assert_ptr_eq(h.memalign(1, 10), block);
	ck_assert_uint_eq(asked.alignment, sizeof(void *));
	refuses = true;
	errno = 0;
	ck_assert_ptr_null(h.memalign(64, 10));
	ck_assert_int_eq(errno, ENOMEM);
	h = made_with(0, 3, 3, 0);
	ck_assert_ptr_eq(h.memalign(64, 65), block);
	ck_assert_uint_eq(asked.size, 128);
	errno = 0;
	ck_assert_ptr_null(h.memalign(64, SIZE_MAX - 1));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(pages_and_arrays)
{
	struct heap h = made_with(2, 2, 2, 2);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	ck_assert_ptr_eq(h.valloc(1), block);
	ck_assert(asked.alignment == page && asked.size == 1);
	ck_assert_ptr_eq(h.pvalloc(page + 1), block);
	ck_assert(asked.alignment == page && asked.size == 2 * page);
	errno = 0;
	ck_assert_ptr_null(h.pvalloc(SIZE_MAX));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_eq(h.reallocarray(block + 1, 5, 7), block);
	ck_assert(asked.at == block + 1 && asked.size == 35);
	errno = 0;
	ck_assert_ptr_null(h.reallocarray(block, SIZE_MAX / 2, 3));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

UNIT_SUITE(lacking, what_is_there_stays, where_nothing_is_to_make_it_of_it_stays, each_that_aligns_is_made_of_each_other,
	   a_made_posix_memalign_keeps_to_the_standard,
	   those_made_of_posix_memalign_and_aligned_alloc_keep_to_what_these_want, pages_and_arrays)
