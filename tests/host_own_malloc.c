/* SPDX-License-Identifier: BSD-2-Clause */
/* Brings its own allocator: a bump pointer that counts its calls. The library is then not in the
   path, and has to inject through this one. Prints the count when a line comes. */
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_BYTES ((size_t)256 << 20)

static _Alignas(64) char heap[HEAP_BYTES];
static _Atomic size_t top = 64;
static atomic_uint large_calls;

void *malloc(size_t size)
{
	size_t need = (size + 31) & ~(size_t)15;
	size_t at = atomic_fetch_add(&top, need) + 16;

	if (size > HEAP_BYTES || at + size > HEAP_BYTES)
		return NULL;
	if (size == 54321)
		atomic_fetch_add(&large_calls, 1);
	memcpy(heap + at - 8, &size, sizeof(size));
	return heap + at;
}

void free(void *at)
{
	(void)at;
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* the heap starts out as zeros and is never reused */
}

void *realloc(void *at, size_t size)
{
	void *moved = malloc(size);
	size_t old;

	if (at && moved) {
		memcpy(&old, (char *)at - 8, sizeof(old));
		memcpy(moved, at, old < size ? old : size);
	}
	return moved;
}

void *memalign(size_t alignment, size_t size)
{
	uintptr_t at = (uintptr_t)malloc(size + alignment);

	return (void *)((at + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = memalign(alignment, size);
	return 0;
}

int main(void)
{
	while (getchar() != EOF) {
		printf("%u\n", atomic_load(&large_calls));
		fflush(stdout);
	}
	return 0;
}
