/* SPDX-License-Identifier: BSD-2-Clause */
/* One row an allocator, found in the object that `real` is in and nowhere else: a process with jemalloc has
   glibc's malloc_trim too, which knows nothing of its heap. */
#include "trim.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "object.h"
#include "real.h"

/* What the row's two functions are in the allocator: of the whole heap, which any thread may call, and of what it
   keeps for the thread that calls. */
static union {
	void *at;
	int (*malloc_trim)(size_t keep);
	int (*mallctl)(const char *name, void *old, size_t *old_length, void *new_value,
		       size_t new_length);
	void (*plain)(void);
	void (*mi_collect)(bool force);
} of_heap, of_thread;

/* glibc maps blocks from a size on that it raises, to 32 MiB at the most, whenever a larger mapped one is freed: for
   good, and what it keeps at a heap's end to twice as much. One of 20 MiB freed, and blocks of 10 come out of the heap
   from then on, and stay resident when the host frees them. So a block is shrunk first, in its place, to less than it
   ever maps by itself, and more than the thread's cache takes. */
#define GLIBC_MAPPED_FROM (((size_t)128 << 10) - 32) /* with its header and rounded up 128 KiB */
#define SHRUNK 4096

static void glibc_trim(void)
{
	of_heap.malloc_trim(0); /* says whether there was anything to give back */
}

/* All arenas at once: MALLCTL_ARENAS_ALL, since 5.0; before, the number of arenas stood for that. */
static void jemalloc_trim(void)
{
	char name[40];
	unsigned arenas;
	size_t length = sizeof(arenas);

	if (of_heap.mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0 ||
	    of_heap.mallctl("arenas.narenas", &arenas, &length, NULL, 0) != 0)
		return;
	snprintf(name, sizeof(name), "arena.%u.purge", arenas);
	of_heap.mallctl(name, NULL, NULL, NULL, 0);
}

static void jemalloc_flush(void)
{
	of_thread.mallctl("thread.tcache.flush", NULL, NULL, NULL, 0); /* fails where there is no cache */
}

static void plain_trim(void)
{
	of_heap.plain();
}

static void plain_flush(void)
{
	of_thread.plain();
}

/* mimalloc's heaps belong to a thread each: of the others' it collects only what ended threads have left. */
static void mimalloc_flush(void)
{
	of_thread.mi_collect(true);
}

struct way {
	const char *name; /* also tells which allocator it is */
	void (*trim)(void);
	const char *thread_name;
	void (*flush)(void);
	void (*prepare)(void); /* before allocating */
	void (*fill)(void);    /* before freeing */
	bool (*renew)(void);   /* afterwards */
	size_t shrink_from; /* blocks of so many bytes are shrunk before they are freed */
};

static const struct way ways[] = {
	{ "malloc_trim", glibc_trim, NULL, NULL, cache_prepare, cache_fill, cache_renew, GLIBC_MAPPED_FROM },
	{ "mallctl", jemalloc_trim, "mallctl", jemalloc_flush, NULL, NULL, NULL, SIZE_MAX },
	{ "MallocExtension_ReleaseFreeMemory", plain_trim, "MallocExtension_MarkThreadIdle", plain_flush,
	  NULL, NULL, NULL, SIZE_MAX },
	{ "mi_collect", NULL, "mi_collect", mimalloc_flush, NULL, NULL, NULL, SIZE_MAX },
	{ "none", NULL, NULL, NULL, NULL, NULL, NULL, SIZE_MAX },
};

#define NO_WAY (&ways[sizeof(ways) / sizeof(ways[0]) - 1])

/* Published whole with release, read with acquire, its functions with it: a host thread may use the C API before. */
static _Atomic(const struct way *) settled = NO_WAY;

static const struct way *the_way(void)
{
	return atomic_load_explicit(&settled, memory_order_acquire);
}

void trim_settle(void)
{
	const struct way *way = ways;
	struct object object;
	void *malloc_at;

	memcpy(&malloc_at, &real.malloc, sizeof(malloc_at));
	if (!object_of(malloc_at, &object))
		return;
	while (way != NO_WAY && !(of_heap.at = object_function(&object, way->name)))
		way++;
	if (way->flush)
		of_thread.at = object_function(&object, way->thread_name);
	atomic_store_explicit(&settled, way, memory_order_release);
}

const char *trim_how(void)
{
	return the_way()->name;
}

void trim_thread(void)
{
	const struct way *way = the_way();

	if (way->flush && of_thread.at)
		way->flush();
}

bool trim_has_heap(void)
{
	return the_way()->trim != NULL;
}

void trim_heap(void)
{
	the_way()->trim();
}

void trim_prepare(size_t size)
{
	const struct way *way = the_way();

	if (way->prepare && size < way->shrink_from)
		way->prepare();
}

void trim_fill(void)
{
	const struct way *way = the_way();

	if (way->fill)
		way->fill();
}

bool trim_renew(void)
{
	const struct way *way = the_way();

	return way->renew && way->renew();
}

void trim_adopt(void)
{
	cache_adopt();
}

/* glibc merges what is free in an arena when a large block is allocated there, and gives back its end when one is freed. A
   thread cannot allocate in another's arena, but realloc keeps to the arena of the block. */
#define GATHERING ((size_t)100 << 10)

void *trim_gather(void *at)
{
	void *grown = the_way()->prepare ? real.realloc(at, GATHERING) : NULL;

	return grown ? grown : at;
}

void trim_free(void *at, size_t size)
{
	void *shrunk = size >= the_way()->shrink_from ? real.realloc(at, SHRUNK) : NULL;

	real.free(shrunk ? shrunk : at);
}
