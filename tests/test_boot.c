/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the moments before the next allocator is known. The file is compiled in once more under
   other names, with an allocator that is never found, so that its arena has to serve. */
#include <stdlib.h>

#define dispatch arena_dispatch
#define next never_next
#define real_resolve never_resolved
#define boot_used arena_used
#define boot_owns arena_owns
#define boot_malloc arena_malloc
#define boot_calloc arena_calloc
#define boot_realloc arena_realloc
#include "host/boot.c"
#undef dispatch
#undef next
#undef real_resolve
#undef boot_used
#undef boot_owns
#undef boot_malloc
#undef boot_calloc
#undef boot_realloc

#include "tests/unit.h"

extern struct heap dispatch;
struct heap never_next; /* nobody comes here: a call would crash */

bool never_resolved(void)
{
	return false;
}

bool boot_owns(const void *at);

START_TEST(arena_serves_aligned_zeroed_blocks)
{
	static const size_t alignments[] = { 1, 8, 16, 64, 256, 4096 };
	unsigned char *at;

	for (size_t i = 0; i < COUNT(alignments); i++) {
		at = arena_dispatch.memalign(alignments[i], 100);
		ck_assert(arena_owns(at));
		ck_assert_uint_eq((uintptr_t)at % alignments[i], 0);
		ck_assert_uint_eq((uintptr_t)at % 16, 0);
		ck_assert_uint_eq(arena_dispatch.malloc_usable_size(at), 100);
		memset(at, 0xff, 100);
	}
	at = arena_dispatch.calloc(10, 30);
	for (size_t i = 0; i < 300; i++)
		ck_assert_uint_eq(at[i], 0);
	ck_assert(arena_used());
}
END_TEST

START_TEST(arena_blocks_do_not_overlap)
{
	unsigned char *blocks[50];

	for (unsigned i = 0; i < COUNT(blocks); i++) {
		blocks[i] = arena_dispatch.malloc(i + 1);
		memset(blocks[i], (int)i, i + 1);
	}
	for (unsigned i = 0; i < COUNT(blocks); i++) {
		ck_assert_uint_eq(arena_dispatch.malloc_usable_size(blocks[i]), i + 1);
		for (unsigned n = 0; n <= i; n++)
			ck_assert_uint_eq(blocks[i][n], i);
	}
}
END_TEST

START_TEST(arena_realloc_moves_the_content)
{
	char *at = arena_dispatch.malloc(8), *larger, *smaller;

	memcpy(at, "content", 8);
	larger = arena_dispatch.realloc(at, 100);
	ck_assert_ptr_ne(larger, at);
	ck_assert_str_eq(larger, "content");
	smaller = arena_dispatch.reallocarray(larger, 2, 2);
	ck_assert_mem_eq(smaller, "cont", 4);
	ck_assert_uint_eq(arena_dispatch.malloc_usable_size(smaller), 4);
	ck_assert(arena_owns(arena_dispatch.realloc(NULL, 5)));
	arena_dispatch.free(at);
	arena_dispatch.free(NULL);
}
END_TEST

START_TEST(full_arena_says_enomem_and_goes_on)
{
	void *out = &out;
	int filled = 0;

	errno = 0;
	ck_assert_ptr_null(arena_dispatch.malloc(65536));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(arena_dispatch.malloc(SIZE_MAX));
	ck_assert_ptr_null(arena_dispatch.memalign((size_t)1 << 40, 1));
	errno = 0;
	ck_assert_ptr_null(arena_dispatch.calloc(SIZE_MAX / 2, 3));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(arena_dispatch.reallocarray(NULL, SIZE_MAX / 2, 3));
	ck_assert_int_eq(errno, ENOMEM);
	while (arena_dispatch.malloc(3000))
		ck_assert_int_le(++filled, 21);
	errno = EXDEV;
	ck_assert_int_eq(arena_dispatch.posix_memalign(&out, 16, 3000), ENOMEM);
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_ptr_null(out);
	ck_assert_ptr_nonnull(arena_dispatch.malloc(1)); /* a small one still fits */
}
END_TEST

START_TEST(arena_owns_its_range_alone)
{
	char here, *heap = malloc(1);

	ck_assert(arena_owns(arena));
	ck_assert(arena_owns(arena + ARENA_BYTES - 1));
	ck_assert(!arena_owns(arena + ARENA_BYTES));
	ck_assert(!arena_owns((void *)((uintptr_t)arena - 1)));
	ck_assert(!arena_owns(NULL));
	ck_assert(!arena_owns(&here));
	ck_assert(!arena_owns(heap));
	ck_assert(!boot_owns(arena)); /* the library's own arena is another */
	free(heap);
}
END_TEST

START_TEST(dispatch_goes_on_to_the_next_allocator)
{
	unsigned char *at = dispatch.malloc(100);
	void *out = NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	ck_assert(!boot_owns(at));
	ck_assert_uint_ge(dispatch.malloc_usable_size(at), 100);
	ck_assert_uint_eq((uintptr_t)at % 16, 0);
	memset(at, 'x', 100);
	at = dispatch.realloc(at, 5000);
	ck_assert_uint_eq(at[99], 'x');
	at = dispatch.reallocarray(at, 100, 100);
	ck_assert_uint_ge(dispatch.malloc_usable_size(at), 10000);
	ck_assert_uint_eq(at[99], 'x');
	dispatch.free(at);
	at = dispatch.calloc(33, 3);
	for (int i = 0; i < 99; i++)
		ck_assert_uint_eq(at[i], 0);
	dispatch.free(at);
	dispatch.free(NULL);
	at = dispatch.memalign(512, 10);
	ck_assert_uint_eq((uintptr_t)at % 512, 0);
	dispatch.free(at);
	/* Not 1024: mimalloc 2.0.9 gives blocks for that which are aligned to 128 only. */
	at = dispatch.aligned_alloc(4096, 4096);
	ck_assert_uint_eq((uintptr_t)at % 4096, 0);
	dispatch.free(at);
	at = dispatch.valloc(10);
	ck_assert_uint_eq((uintptr_t)at % page, 0);
	dispatch.free(at);
	at = dispatch.pvalloc(10);
	ck_assert_uint_ge(dispatch.malloc_usable_size(at), page);
	ck_assert_uint_eq((uintptr_t)at % page, 0);
	dispatch.free(at);
	errno = 0;
	ck_assert_ptr_null(dispatch.pvalloc(SIZE_MAX));
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(dispatch.reallocarray(NULL, SIZE_MAX / 2, 3));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(dispatch.posix_memalign(&out, 64, 10), 0);
	ck_assert_uint_eq((uintptr_t)out % 64, 0);
	dispatch.free(out);
	ck_assert_uint_eq(dispatch.malloc_usable_size(NULL), 0);
}
END_TEST

UNIT_SUITE(boot, arena_serves_aligned_zeroed_blocks, arena_blocks_do_not_overlap,
	   arena_realloc_moves_the_content, full_arena_says_enomem_and_goes_on,
	   arena_owns_its_range_alone, dispatch_goes_on_to_the_next_allocator)
