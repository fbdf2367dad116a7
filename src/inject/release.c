/* SPDX-License-Identifier: BSD-2-Clause */
/* How blocks go back to the allocator, and what it keeps of them to the system. */
#include "release.h"

#include <stdatomic.h>

#include "host/trim.h"
#include "inject/budget.h"
#include "inject/heap.h"
#include "inject/unmap.h"

/* glibc keeps small blocks apart until a large request comes by, and gives pages back to the system
   only after that. One such request, to an allocator that works otherwise, is harmless. */
#define SETTLE_BYTES ((size_t)96 << 10)

/* What a settling call does grows with the small blocks freed since the last one: 27 ns each. So many
   make it tens of microseconds. */
#define SETTLE_EVERY 1024

/* The first time frees what was in the way of the second. */
#define RENEW_TRIES 4

/* One gathering takes 60 us. */
#define GATHER_EVERY 1000

static struct {
	_Atomic unsigned unsettled; /* blocks freed since the last settling call */
	bool gathers;               /* these two are guarded by the gate */
	unsigned passed;            /* blocks, since it gathers */
} release;

/* Two threads may lose a count: it is no exact number. */
void release_note(unsigned blocks)
{
	atomic_store_explicit(&release.unsettled, atomic_load_explicit(&release.unsettled, memory_order_relaxed) + blocks,
			      memory_order_relaxed);
}

void release_settle_if_many(void)
{
	if (atomic_load_explicit(&release.unsettled, memory_order_relaxed) >= SETTLE_EVERY)
		release_settle();
}

void release_gather(bool on)
{
	release.gathers = on;
	release.passed = 0;
}

void release_small(void *at, uint64_t left)
{
	gate_block_begin();
	if (release.gathers && (++release.passed % GATHER_EVERY == 0 || left == 0))
		at = trim_gather(at);
	real.free(at);
	gate_block_end();
}

void release_chunk(const struct chunk *c, bool outside)
{
	if (c->flags & CHUNK_MAPPED) {
		if (!unmap_or_keep(c->addr, c->size, outside))
			return;
	} else {
		gate_block_begin();
		trim_free(c->addr, c->size);
		gate_block_end();
		release_note(1);
	}
	(outside ? budget_give : budget_give_inside)(c->size);
}

void release_settle(void)
{
	if (atomic_exchange_explicit(&release.unsettled, 0, memory_order_relaxed) == 0)
		return; /* where only mappings were, our thread takes no arena */
	heap_free(heap_malloc(SETTLE_BYTES));
}

static bool renew(void)
{
	bool renewed;

	gate_block_begin();
	renewed = trim_renew();
	gate_block_end();
	return renewed;
}

void release_finish(void)
{
	release_settle();
	for (int i = 0; i < RENEW_TRIES && budget_used() == 0 && renew(); i++) {
		release_note(1);
		release_settle();
	}
}
