/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the next allocator. Runs on whichever of the host's threads allocates first, often before
   any constructor, and once more from ours. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "object.h"

struct heap next;
struct heap real;

static char allocator_name[64] = "unknown";
static bool in_path = true;

/* dlsym gives an object pointer for a function; POSIX promises that the two convert. */
static void find(void *scope, const char *name, void *slot)
{
	void *at = dlsym(scope, name);

	if (at)
		memcpy(slot, &at, sizeof(at));
}

static void *valloc_by_memalign(size_t size)
{
	return next.memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

static void *pvalloc_by_memalign(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (size > SIZE_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return next.memalign(page, (size + page - 1) & ~(page - 1));
}

static void *reallocarray_by_realloc(void *at, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return next.realloc(at, bytes);
}

bool real_next(const char *name, void *slot)
{
	void *at = __atomic_load_n((void **)slot, __ATOMIC_RELAXED);

	if (!at) {
		at = dlsym(RTLD_NEXT, name);
		__atomic_store_n((void **)slot, at, __ATOMIC_RELAXED);
	}
	if (!at)
		errno = ENOSYS;
	return at != NULL;
}

/* Looks the family up. The three that other calls can stand for are never looked up: where the next
   allocator lacks one (jemalloc pvalloc and reallocarray, musl pvalloc), the C library's would be found,
   whose block the next allocator's free does not know. */
static void find_family(void *scope, struct heap *h)
{
	find(scope, "malloc", &h->malloc);
	find(scope, "calloc", &h->calloc);
	find(scope, "realloc", &h->realloc);
	find(scope, "free", &h->free);
	find(scope, "memalign", &h->memalign);
	find(scope, "aligned_alloc", &h->aligned_alloc);
	find(scope, "posix_memalign", &h->posix_memalign);
	find(scope, "malloc_usable_size", &h->malloc_usable_size);
	h->valloc = valloc_by_memalign;
	h->pvalloc = pvalloc_by_memalign;
	h->reallocarray = reallocarray_by_realloc;
}

#define POINT(function) __atomic_store_n(&dispatch.function, next.function, __ATOMIC_RELEASE)

static void point_dispatch(void)
{
	POINT(malloc);
	POINT(calloc);
	POINT(memalign);
	POINT(aligned_alloc);
	POINT(posix_memalign);
	POINT(valloc);
	POINT(pvalloc);
	/* These four keep knowing the bootstrap arena where it was used. */
	if (!boot_used()) {
		POINT(free);
		POINT(realloc);
		POINT(reallocarray);
		POINT(malloc_usable_size);
	}
}

bool real_resolve(void)
{
	static atomic_bool busy, resolved;
	int saved = errno;

	if (atomic_load(&resolved))
		return true;
	/* Atomic, so that the compiler cannot drop it around dlsym, which it takes for a leaf. */
	if (atomic_exchange(&busy, true))
		return false;
	find_family(RTLD_NEXT, &next);
	atomic_store(&resolved, true);
	atomic_store(&busy, false);
	errno = saved;
	return true;
}

/* dladdr would read through all of libc's symbols for this, which was a quarter of what we add to a program's start. */
static void remember_allocator(void)
{
	struct object found;
	void *at;

	memcpy(&at, &real.malloc, sizeof(at));
	object_of(at, &found);
	if (found.name)
		strncpy(allocator_name, found.name, sizeof(allocator_name) - 1);
}

/* An odd size, so that another thread's call is not taken for the probe. */
#define PROBE_BYTES 27183

static atomic_bool probe_arrived;

static void *probe_malloc(size_t size)
{
	if (size == PROBE_BYTES)
		atomic_store(&probe_arrived, true);
	return next.malloc(size);
}

/* Does a call of the malloc that everybody finds arrive here? Addresses do not tell: a position
   dependent executable that takes malloc's address has a stub of its own for it, which leads to us. */
static bool calls_arrive(const struct heap *found)
{
	__atomic_store_n(&dispatch.malloc, probe_malloc, __ATOMIC_RELEASE);
	found->free(found->malloc(PROBE_BYTES));
	POINT(malloc);
	return atomic_load(&probe_arrived);
}

void real_begin(void)
{
	real_resolve();
	point_dispatch();
}

static void settle(void)
{
	int saved = errno;
	struct heap found = next; /* for what is to be found nowhere else */

	find_family(RTLD_DEFAULT, &found);
	in_path = calls_arrive(&found);
	real = in_path ? next : found;
	remember_allocator();
	errno = saved;
}

void real_settle(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, settle);
}

bool real_in_path(void)
{
	return in_path;
}

const char *real_allocator(void)
{
	return allocator_name;
}
