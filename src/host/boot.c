/* SPDX-License-Identifier: BSD-2-Clause */
/* What the dispatch table points at when the object is mapped: each function resolves the next
   allocator and goes on to it. Only while that is under way (dlsym itself may allocate) do blocks
   come from the arena. Runs on the host's threads. */
#include "boot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/sections.h"
#include "real.h"

#define ARENA_BYTES ((size_t)64 << 10)
#define ALIGNMENT ((size_t)16)

static LARGE_STATE _Alignas(4096) char arena[ARENA_BYTES];
static START_STATE _Atomic size_t arena_top;

/* Precedes each block of the arena. */
struct boot_head {
	size_t bytes;
	size_t unused; /* keeps the block behind it at 16 */
};

bool boot_used(void)
{
	return atomic_load(&arena_top) != 0;
}

bool boot_owns(const void *at)
{
	return (uintptr_t)at - (uintptr_t)arena < ARENA_BYTES;
}

static size_t block_bytes(const void *at)
{
	return ((const struct boot_head *)at)[-1].bytes;
}

/* The arena is zeroed and never reused, so this serves calloc too. */
static void *take(size_t alignment, size_t bytes)
{
	size_t top = atomic_load(&arena_top), start;

	if (alignment < ALIGNMENT)
		alignment = ALIGNMENT;
	do {
		start = (top + sizeof(struct boot_head) + alignment - 1) & ~(alignment - 1);
		if (alignment > ARENA_BYTES || bytes > ARENA_BYTES || start + bytes > ARENA_BYTES) {
			errno = ENOMEM;
			return NULL;
		}
	} while (!atomic_compare_exchange_weak(&arena_top, &top, start + bytes));
	((struct boot_head *)(void *)(arena + start))[-1].bytes = bytes;
	return arena + start;
}

void *boot_malloc(size_t size)
{
	return real_resolve() ? next.malloc(size) : take(ALIGNMENT, size);
}

void *boot_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (real_resolve())
		return next.calloc(count, size);
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return take(ALIGNMENT, bytes);
}

static void boot_free(void *at)
{
	/* While resolving, only arena blocks and NULL can come. */
	if (at && !boot_owns(at) && real_resolve())
		next.free(at);
}

void *boot_realloc(void *at, size_t size)
{
	size_t old;
	void *moved;

	if (at && !boot_owns(at))
		return real_resolve() ? next.realloc(at, size) : NULL;
	moved = boot_malloc(size);
	if (at && moved) {
		old = block_bytes(at);
		memcpy(moved, at, old < size ? old : size);
	}
	return moved;
}

static void *boot_reallocarray(void *at, size_t count, size_t size)
{
	size_t bytes;

	if (!boot_owns(at) && real_resolve())
		return next.reallocarray(at, count, size);
	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return boot_realloc(at, bytes);
}

static void *boot_memalign(size_t alignment, size_t size)
{
	return real_resolve() ? next.memalign(alignment, size) : take(alignment, size);
}

static void *boot_aligned_alloc(size_t alignment, size_t size)
{
	return real_resolve() ? next.aligned_alloc(alignment, size) : take(alignment, size);
}

static int boot_posix_memalign(void **out, size_t alignment, size_t size)
{
	int saved = errno;

	if (real_resolve())
		return next.posix_memalign(out, alignment, size);
	*out = take(alignment, size);
	errno = saved;
	return *out ? 0 : ENOMEM;
}

static void *boot_valloc(size_t size)
{
	return real_resolve() ? next.valloc(size) : take((size_t)sysconf(_SC_PAGESIZE), size);
}

static void *boot_pvalloc(size_t size)
{
	return real_resolve() ? next.pvalloc(size) : take((size_t)sysconf(_SC_PAGESIZE), size);
}

static size_t boot_malloc_usable_size(void *at)
{
	if (boot_owns(at))
		return block_bytes(at);
	return real_resolve() ? next.malloc_usable_size(at) : 0;
}

/* On lines of its own: nothing that is written to lies beside what every call reads. */
_Alignas(128) struct heap dispatch = {
#define FAMILY(traits, give, result, name, parameters, arguments) .name = boot_##name,
#include "host/family.def"
};
