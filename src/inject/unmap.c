/* SPDX-License-Identifier: BSD-2-Clause */
#include "unmap.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/kernel.h"
#include "inject/budget.h"

/* At the beginning of the mapping itself, since there is no memory to be had. */
struct kept {
	struct kept *next;
	size_t size;
};

static struct kept *first;
static struct kept **at; /* of the pass that is under way, or NULL */
static bool progress;    /* in that pass */
static uint64_t kept_bytes;

/* All pages but the first; of shared memory MADV_DONTNEED would give none back. */
static void drop(char *from, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	gate_block_begin();
	if (size > page && kernel_madvise(from + page, size - page, MADV_REMOVE) < 0)
		kernel_madvise(from + page, size - page, MADV_DONTNEED);
	gate_block_end();
}

static bool unmap(void *from, size_t size)
{
	bool done;

	gate_block_begin();
	done = kernel_munmap(from, size) == 0;
	gate_block_end();
	return done;
}

bool unmap_or_keep(void *from, size_t size, bool outside)
{
	struct kept *k = from;

	if (unmap(from, size))
		return true;
	drop(from, size);
	if (outside)
		gate_enter();
	k->size = size;
	k->next = first;
	first = k;
	kept_bytes += size;
	if (outside)
		gate_leave();
	return false;
}

/* True where it is gone, and *at is the next. */
static bool try_again(void)
{
	struct kept k = **at, *from = *at;

	*at = k.next;
	if (unmap(from, k.size)) {
		kept_bytes -= k.size;
		budget_give(k.size);
		return true;
	}
	*at = from;
	return false;
}

bool unmap_kept(struct slice *slice)
{
	for (;;) {
		if (!at) {
			at = &first;
			progress = false;
		}
		while (*at) {
			if (try_again())
				progress = true;
			else
				at = &(*at)->next;
			if (slice_over(slice, 0))
				return false;
		}
		at = NULL;
		if (!progress)
			return true;
	}
}

uint64_t unmap_kept_bytes(void)
{
	return kept_bytes;
}
