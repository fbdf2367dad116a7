/* SPDX-License-Identifier: BSD-2-Clause */
/* These call by name: they reach the allocator that everybody reaches, wherever in the search we are. Where that is us,
   the call goes on to the next one. The choice is made once, on whichever thread allocates first. */
#include "lacking.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "object.h"

typedef void *aligned_function(size_t alignment, size_t size);

static void *reallocarray_by_realloc(void *at, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(at, bytes);
}

static void *valloc_by_memalign(size_t size)
{
	return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

static void *pvalloc_by_memalign(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (size > SIZE_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(page, (size + page - 1) & ~(page - 1));
}

static void *aligned_by_memalign(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

static void *aligned_by_posix_memalign(size_t alignment, size_t size)
{
	void *at = NULL;
	int rc = posix_memalign(&at, alignment < sizeof(void *) ? sizeof(void *) : alignment, size);

	if (!rc)
		return at;
	errno = rc;
	return NULL;
}

/* Some want a multiple of the alignment. */
static void *aligned_by_aligned_alloc(size_t alignment, size_t size)
{
	size_t rest = alignment ? size % alignment : 0;

	if (rest && __builtin_add_overflow(size, alignment - rest, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	return aligned_alloc(alignment, size);
}

static int posix_memalign_by(aligned_function *aligned, void **out, size_t alignment, size_t size)
{
	int saved = errno;
	void *at;

	if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
		return EINVAL;
	at = aligned(alignment, size);
	errno = saved;
	if (!at)
		return ENOMEM;
	*out = at;
	return 0;
}

/* No variable tells by which: whoever is led here has read no more than an address. */
static int posix_memalign_by_memalign(void **out, size_t alignment, size_t size)
{
	return posix_memalign_by(aligned_by_memalign, out, alignment, size);
}

static int posix_memalign_by_aligned_alloc(void **out, size_t alignment, size_t size)
{
	return posix_memalign_by(aligned_by_aligned_alloc, out, alignment, size);
}

/* Is it found in the object that has free, or before that? */
static bool is_there(const char *name, unsigned our_place, const struct object *with_free)
{
	struct object o;

	return object_function(with_free, name) ||
	       (object_first(name, our_place, &o) && o.place < with_free->place);
}

void lacking_make(struct heap *h)
{
	struct object with_free;
	unsigned our_place = object_our_place();
	bool has_memalign, has_posix_memalign, has_aligned_alloc;
	aligned_function *aligned;

	h->reallocarray = reallocarray_by_realloc;
	h->valloc = valloc_by_memalign;
	h->pvalloc = pvalloc_by_memalign;
	if (!object_first("free", our_place, &with_free))
		return;
	has_memalign = is_there("memalign", our_place, &with_free);
	has_posix_memalign = is_there("posix_memalign", our_place, &with_free);
	has_aligned_alloc = is_there("aligned_alloc", our_place, &with_free);
	aligned = has_memalign	     ? aligned_by_memalign :
		  has_posix_memalign ? aligned_by_posix_memalign :
		  has_aligned_alloc  ? aligned_by_aligned_alloc :
				       NULL;
	if (!aligned)
		return; /* as without us: the block is another allocator's */
	if (!has_memalign)
		h->memalign = aligned;
	if (!has_posix_memalign)
		h->posix_memalign = has_memalign ? posix_memalign_by_memalign : posix_memalign_by_aligned_alloc;
	if (!has_aligned_alloc)
		h->aligned_alloc = aligned;
}
