/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes blocks in every way that there is, keeps all of them, and lets each go in every way that there is; what was written
   must be there. Once before any constructor, then for each line of input. OWN_FOUR: the program brings malloc, calloc,
   realloc and free, which hand on what is not theirs. OWN_SOME: posix_memalign, too. OWN_ALL: the whole family.
   Says how many functions gave a block that is not the program's own, where it has some.
   The argument "foreign": reallocarray is another allocator's, and knows none of this program's blocks. */
#ifndef MT_TESTS_FAMILY_H
#define MT_TESTS_FAMILY_H

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *pvalloc(size_t size);

#define PAGE 4096
#define ODD_BYTES 54321 /* asked for from outside, to see where it arrives */

static atomic_uint odd_made, odd_freed;

static void complain(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

#if defined(OWN_ALL)
#define OWN_SOME
#endif
#if defined(OWN_SOME)
#define OWN_FOUR
#endif

#ifdef OWN_FOUR
#define HEAP_BYTES ((size_t)512 << 20)
#define HEAD_BYTES 32
#define ALIVE 0x616c697665u

static _Alignas(PAGE) char heap[HEAP_BYTES];
static _Atomic size_t top = PAGE;

struct head {
	size_t size, state;
};

static bool is_own(const void *at)
{
	return (uintptr_t)at - (uintptr_t)heap < HEAP_BYTES;
}

static struct head *head_of(void *at)
{
	return (void *)((char *)at - HEAD_BYTES);
}

static void *own_aligned(size_t alignment, size_t size)
{
	size_t at;
	struct head *head;

	if (alignment < 16)
		alignment = 16;
	if (size > HEAP_BYTES)
		return NULL;
	at = (atomic_fetch_add(&top, size + HEAD_BYTES + alignment) + HEAD_BYTES + alignment - 1) & ~(alignment - 1);
	if (at + size > HEAP_BYTES)
		return NULL;
	head = head_of(heap + at);
	head->size = size;
	head->state = ALIVE;
	if (size == ODD_BYTES)
		atomic_fetch_add(&odd_made, 1);
	return heap + at;
}

/* The next one behind this program, whose blocks come by, too. */
static void find_others(const char *name, void *slot)
{
	void *at = dlsym(RTLD_NEXT, name);

	if (!at)
		complain(name);
	memcpy(slot, &at, sizeof(at));
}

void *malloc(size_t size)
{
	return own_aligned(16, size);
}

void free(void *at)
{
	void (*others_free)(void *);

	if (!at)
		return;
	if (!is_own(at)) {
		find_others("free", &others_free);
		others_free(at);
		return;
	}
	if (head_of(at)->state != ALIVE)
		complain("freed twice, or never made");
	head_of(at)->state = 0;
	if (head_of(at)->size == ODD_BYTES)
		atomic_fetch_add(&odd_freed, 1);
}

/* The heap is made of zeros and never used again. */
void *calloc(size_t count, size_t size)
{
	return own_aligned(16, count * size);
}

void *realloc(void *at, size_t size)
{
	void *(*others_realloc)(void *, size_t);
	void *moved;

	if (at && !is_own(at)) {
		find_others("realloc", &others_realloc);
		return others_realloc(at, size);
	}
	moved = own_aligned(16, size);
	if (at && moved) {
		memcpy(moved, at, head_of(at)->size < size ? head_of(at)->size : size);
		free(at);
	}
	return moved;
}
#else
static bool is_own(const void *at)
{
	(void)at;
	return false;
}
#endif

#ifdef OWN_SOME
int posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = own_aligned(alignment, size);
	return *out ? 0 : ENOMEM;
}
#endif

#ifdef OWN_ALL
void *memalign(size_t alignment, size_t size)
{
	return own_aligned(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return own_aligned(alignment, size);
}

void *valloc(size_t size)
{
	return own_aligned(PAGE, size);
}

void *pvalloc(size_t size)
{
	return own_aligned(PAGE, (size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

void *reallocarray(void *at, size_t count, size_t size)
{
	size_t bytes;

	if (!__builtin_mul_overflow(count, size, &bytes))
		return realloc(at, bytes);
	errno = ENOMEM;
	return NULL;
}

size_t malloc_usable_size(void *at)
{
	return at ? head_of(at)->size : 0;
}
#endif

/* Through pointers, so that a position dependent program has a stub for each. */
static struct {
	void *(*malloc)(size_t), *(*calloc)(size_t, size_t), *(*realloc)(void *, size_t);
	void (*free)(void *);
	void *(*memalign)(size_t, size_t), *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t), *(*pvalloc)(size_t), *(*reallocarray)(void *, size_t, size_t);
	size_t (*malloc_usable_size)(void *);
} volatile my = { malloc, calloc, realloc, free, memalign, aligned_alloc, posix_memalign, valloc, pvalloc, reallocarray,
		  malloc_usable_size };

static const size_t sizes[] = { 1, 24, 200, 5008, 150000 };
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), WAYS = 7 };

enum maker { MALLOC, CALLOC, REALLOC, MEMALIGN, ALIGNED_ALLOC, POSIX_MEMALIGN, VALLOC, PVALLOC, REALLOCARRAY, MAKERS };

static bool is_foreign; /* see above */

static void *made(enum maker maker, size_t size)
{
	static const size_t alignments[MAKERS] = { [MEMALIGN] = 64, [ALIGNED_ALLOC] = 64, [POSIX_MEMALIGN] = 64,
						   [VALLOC] = PAGE, [PVALLOC] = PAGE };
	void *at = NULL;

	switch (maker) {
	case MALLOC: at = my.malloc(size); break;
	case CALLOC: at = my.calloc(1, size); break;
	case REALLOC: at = my.realloc(NULL, size); break;
	case MEMALIGN: at = my.memalign(64, size); break;
	case ALIGNED_ALLOC: at = my.aligned_alloc(64, (size + 63) & ~(size_t)63); break;
	case POSIX_MEMALIGN:
		if (my.posix_memalign(&at, 64, size) != 0)
			at = NULL;
		break;
	case VALLOC: at = my.valloc(size); break;
	case PVALLOC: at = my.pvalloc(size); break;
	case REALLOCARRAY: at = my.reallocarray(NULL, size, 1); break;
	case MAKERS: break;
	}
	if (!at || (alignments[maker] && (uintptr_t)at % alignments[maker] != 0))
		complain("not made, or not aligned");
	for (size_t i = 0; maker == CALLOC && i < size; i++)
		if (((char *)at)[i])
			complain("calloc: not zero");
	return at;
}

static unsigned char mark(const void *at_first, size_t i)
{
	return (unsigned char)(((uintptr_t)at_first >> 4) * 31 + i * 7);
}

static void check(const unsigned char *at, const void *at_first, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != mark(at_first, i))
			complain("content lost");
}

static bool sizes_are_told; /* by tcmalloc only once its constructor has run */

static void check_usable(void *at, size_t size)
{
	if (!sizes_are_told)
		return;
#ifndef OWN_ALL
	if (is_own(at))
		return; /* nobody can tell */
#endif
	if (my.malloc_usable_size(at) < size)
		complain("usable size");
}

/* Larger, smaller, to nothing: by either function. */
static void let_go(void *at, size_t size, unsigned way)
{
	void *first = at;
	bool by_array = way >= 4 && !(is_foreign && is_own(at));

	switch (way) {
	case 0:
		break;
	case 1:
	case 4:
		at = by_array ? my.reallocarray(at, 3, size) : my.realloc(at, 3 * size);
		break;
	case 2:
	case 5:
		size = size / 2 + 1;
		at = by_array ? my.reallocarray(at, size, 1) : my.realloc(at, size);
		break;
	case 3:
		size = 0;
		at = my.realloc(at, 0);
		break;
	default:
		if (by_array && (my.reallocarray(at, SIZE_MAX / 2, 3) || errno != ENOMEM))
			complain("reallocarray: too much");
		break;
	}
	if (size && !at)
		complain("not reallocated");
	if (size)
		check_usable(at, size);
	check(at, first, size);
	my.free(at);
}

static void make_and_let_go(void)
{
	static unsigned char *blocks[WAYS][MAKERS][SIZES];

	for (unsigned way = 0; way < WAYS; way++)
		for (unsigned maker = 0; maker < MAKERS; maker++)
			for (unsigned s = 0; s < SIZES; s++) {
				unsigned char *at = made(maker, sizes[s]);

				check_usable(at, sizes[s]);
				for (size_t i = 0; i < sizes[s]; i++)
					at[i] = mark(at, i);
				blocks[way][maker][s] = at;
			}
	for (unsigned way = 0; way < WAYS; way++)
		for (unsigned maker = 0; maker < MAKERS; maker++)
			for (unsigned s = 0; s < SIZES; s++)
				let_go(blocks[way][maker][s], sizes[s], way);
	my.free(NULL);
}

static unsigned foreign_blocks(void)
{
	unsigned count = 0;

#ifdef OWN_FOUR
	for (unsigned maker = 0; maker < MAKERS; maker++) {
		void *at = made(maker, 100);

		count += !is_own(at);
		my.free(at);
	}
#endif
	return count;
}

static void early(int argc, char **argv, char **environment)
{
	(void)environment;
	is_foreign = argc > 1 && strcmp(argv[1], "foreign") == 0;
	make_and_let_go();
}

/* Before any constructor, the library's too. */
__attribute__((section(".preinit_array"), used)) static void (*const at_first)(int, char **, char **) = early;

int main(int argc, char **argv)
{
	sizes_are_told = true;
	early(argc, argv, NULL);
	printf("right %u\n", foreign_blocks());
	fflush(stdout);
	while (getchar() != EOF) {
		make_and_let_go();
		printf("%u %u\n", atomic_load(&odd_made), atomic_load(&odd_freed));
		fflush(stdout);
	}
	return 0;
}

#endif
