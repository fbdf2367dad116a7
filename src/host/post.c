/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts are few, so both sides look through them all. The host's threads find nothing wanted for a moment after the last
   one was served.

   A wrapper reads its slot of the dispatch table without ordering, so a function of ours that is called through it has
   seen nothing else that was written before. It goes on through the bootstrap's functions, which ask whether the next
   allocator is known, with acquire. */
#include "post.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/sections.h"
#include "base/signals.h"
#include "boot.h"
#include "real.h"

#define POSTS 256

static struct {
	_Atomic int state; /* a post_state */
	size_t size;
	void *at; /* written by who has taken it, before it is done */
} posts[POSTS] LARGE_STATE;

static _Atomic int wanted;

/* Guarded by the gate. */
static bool swapped; /* the dispatch table leads through us */
static int in_use;   /* slots */

static void serve_one(void)
{
	static _Atomic unsigned turn;
	unsigned first = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);

	for (unsigned n = 0; n < POSTS; n++) {
		unsigned i = (first + n) % POSTS;
		int state = POST_WANTED;

		if (atomic_load_explicit(&posts[i].state, memory_order_relaxed) != POST_WANTED ||
		    !atomic_compare_exchange_strong(&posts[i].state, &state, POST_TAKEN))
			continue;
		atomic_fetch_sub(&wanted, 1);
		posts[i].at = next.malloc(posts[i].size);
		atomic_store(&posts[i].state, POST_DONE);
		return;
	}
}

/* After the host's own call, whose errno stays. Interrupted by a handler that forks, it would go on in the child, where all
   posts have been forgotten. */
static void serve(void)
{
	int saved = errno;
	uint64_t mask;

	if (atomic_load_explicit(&wanted, memory_order_relaxed) <= 0)
		return;
	mask = signals_block();
	serve_one();
	signals_restore(mask);
	errno = saved;
}

static void *posting_malloc(size_t size)
{
	void *at = boot_malloc(size);

	serve();
	return at;
}

static void *posting_calloc(size_t count, size_t size)
{
	void *at = boot_calloc(count, size);

	serve();
	return at;
}

static void *posting_realloc(void *old, size_t size)
{
	void *at = boot_realloc(old, size);

	serve();
	return at;
}

#define POINT(function, to) __atomic_store_n(&dispatch.function, to, __ATOMIC_RELEASE)

static void swap(bool in)
{
	if (in == swapped)
		return;
	swapped = in;
	if (!in) {
		real_point();
		return;
	}
	POINT(malloc, posting_malloc);
	POINT(calloc, posting_calloc);
	POINT(realloc, posting_realloc);
}

int post_put(size_t size)
{
	/* Thousands of tests may ask again and again. */
	if (in_use == POSTS)
		return -EAGAIN;
	for (int i = 0; i < POSTS; i++) {
		if (atomic_load(&posts[i].state) != POST_UNUSED)
			continue;
		in_use++;
		posts[i].size = size;
		atomic_fetch_add(&wanted, 1);
		atomic_store(&posts[i].state, POST_WANTED);
		swap(true);
		return i;
	}
	return -EAGAIN;
}

static void end(int slot)
{
	atomic_store(&posts[slot].state, POST_UNUSED);
	in_use--;
	if (atomic_load(&wanted) == 0)
		swap(false);
}

enum post_state post_get(int slot, void **at)
{
	enum post_state state = (enum post_state)atomic_load(&posts[slot].state);

	if (state == POST_DONE) {
		*at = posts[slot].at;
		end(slot);
	}
	return state;
}

bool post_withdraw(int slot)
{
	int state = POST_WANTED;

	if (!atomic_compare_exchange_strong(&posts[slot].state, &state, POST_TAKEN))
		return false;
	atomic_fetch_sub(&wanted, 1);
	end(slot);
	return true;
}

void post_reset(void)
{
	if (!in_use)
		return; /* most children: their pages stay the parent's */
	for (unsigned i = 0; i < POSTS; i++)
		atomic_store(&posts[i].state, POST_UNUSED);
	atomic_store(&wanted, 0);
	in_use = 0;
	swap(false);
}
