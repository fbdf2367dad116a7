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

#include "base/kernel.h"
#include "base/sections.h"
#include "boot.h"
#include "lacking.h"
#include "object.h"

START_STATE struct heap next;
START_STATE struct heap real;

static char allocator_name[64] = "unknown";
static bool in_path = true;

/* dlsym gives an object pointer for a function; POSIX promises that the two convert. */
static void point_at(void *slot, const void *at)
{
	if (at)
		memcpy(slot, &at, sizeof(at));
}

static const void *address_of(const void *slot)
{
	const void *at;

	memcpy(&at, slot, sizeof(at));
	return at;
}

bool real_next(const char *name, void *slot)
{
	void *known = __atomic_load_n((void **)slot, __ATOMIC_ACQUIRE), *at = known;

	if (!at)
		at = dlsym(RTLD_NEXT, name);
	if (!at)
		errno = ENOSYS;
	/* Once: the caller reads it without more ado. */
	if (at && !known)
		__atomic_compare_exchange_n((void **)slot, &known, at, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return at != NULL;
}

#define POINT(function) __atomic_store_n(&dispatch.function, next.function, __ATOMIC_RELEASE)

void real_point(void)
{
	bool arena_used = boot_used(); /* then those that take a block keep knowing it */

#define FAMILY(traits, give, result, name, parameters, arguments) \
	if (!((traits) & TAKES_BLOCK) || !arena_used) \
		POINT(name);
#include "host/family.def"
}

static void look_up(void)
{
#define FAMILY(traits, give, result, name, parameters, arguments) \
	if (!((traits) & IS_MADE)) \
		point_at(&next.name, dlsym(RTLD_NEXT, #name));
#include "host/family.def"
	lacking_make(&next);
}

bool real_resolve(void)
{
	static START_STATE atomic_bool busy, resolved;
	int saved = errno;

	if (atomic_load(&resolved))
		return true;
	/* Atomic, so that the compiler cannot drop it around dlsym, which it takes for a leaf. */
	if (atomic_exchange(&busy, true))
		return false;
	/* Another thread may have been at it between the two: what is read already is not written again. */
	if (!atomic_load(&resolved)) {
		look_up();
		atomic_store(&resolved, true);
	}
	atomic_store(&busy, false);
	errno = saved;
	return true;
}

/* dladdr would read through all of libc's symbols for this, which was a quarter of what we add to a program's start. */
static void remember_allocator(void)
{
	struct object found;

	object_of(address_of(&real.malloc), &found);
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
	return boot_malloc(size);
}

/* Only a call tells. A wrapper before us leads here and an allocator does not; valgrind turns even calls to our own
   functions away. */
static bool leads_here(const struct heap *found)
{
	__atomic_store_n(&dispatch.malloc, probe_malloc, __ATOMIC_RELEASE);
	found->free(found->malloc(PROBE_BYTES));
	POINT(malloc);
	return atomic_load(&probe_arrived);
}

/* The family that the program finds: ours where it comes first, else what it would find without us. */
static void find(struct heap *found)
{
	unsigned our_place = object_our_place();
	struct object o;

	object_first("malloc", OBJECT_NO_PLACE, &o);
	if (o.place == our_place)
		our_place = OBJECT_NO_PLACE;
#define FAMILY(traits, give, result, name, parameters, arguments) \
	point_at(&found->name, object_first(#name, our_place, &o));
#include "host/family.def"
}

/* Of an allocator that does not tell. */
static size_t unknown_size(void *at)
{
	(void)at;
	return 0;
}

/* One of another allocator would read what is not there. */
static void check_usable_size(struct heap *h)
{
	struct object with_free, with_size;

	object_of(address_of(&h->free), &with_free);
	object_of(address_of(&h->malloc_usable_size), &with_size);
	if (with_size.place > with_free.place)
		h->malloc_usable_size = unknown_size;
}

/* A thread that another library's constructor has started may be at it. */
static void resolve_in_any_case(void)
{
	while (!real_resolve())
		kernel_sched_yield();
}

void real_begin(void)
{
	resolve_in_any_case();
	real_point();
}

static void settle(void)
{
	struct heap found;
	int saved = errno;

	resolve_in_any_case();
	found = next; /* for what is to be found nowhere else */
	find(&found);
	in_path = leads_here(&found);
	real = in_path ? next : found;
	check_usable_size(&real);
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
