/* SPDX-License-Identifier: BSD-2-Clause */
/* One chunk on its way in (allocated, being touched or patterned) or out (being verified, purged,
   freed). A large one takes many slices; meanwhile it is in no pool. Called inside the gate on our
   thread, unless a comment says otherwise. */
#ifndef MT_INJECT_TRANSIT_H
#define MT_INJECT_TRANSIT_H

#include <stdbool.h>

#include "inject/budget.h"
#include "inject/chunk.h"
#include "inject/gate.h"

/* What a leak is made of; to each some alarm is blind (docs/design.md has the table). In this order in the
   words of mt.leak_start. */
enum kind {
	KIND_HEAP,
	KIND_UNTOUCHED, /* of the heap, never stored to */
	KIND_MMAP,      /* a private anonymous mapping */
	KIND_SHMEM      /* a shared one, which counts as shared memory */
};

/* Is it the allocator's, as opposed to a mapping of its own? */
static inline bool kind_is_of_heap(enum kind kind)
{
	return kind == KIND_HEAP || kind == KIND_UNTOUCHED;
}

/* Who calls the allocator: our thread, or one of the host's at its next call (host/post.h). Mappings are made by
   ours in any case. In this order in the words of mt.leak_start and the setting. */
enum where { WHERE_THREAD, WHERE_HOST };

/* What is wanted of transit_in. */
struct want {
	size_t size;
	enum kind kind;
	enum where where;
	bool outside; /* the gate, on a host thread */
};

enum transit_stage { TRANSIT_IDLE, TRANSIT_POSTED, TRANSIT_FILLING, TRANSIT_VERIFYING, TRANSIT_RESIZING, TRANSIT_PURGING };

/* Zeroed is idle. */
struct transit {
	struct chunk chunk;
	size_t done; /* bytes of the stage behind us */
	enum transit_stage stage;
	bool pattern; /* while filling: with the pattern, else touched only */
	bool for_good; /* on its way out: pages go back to the system, not only to the allocator */
	bool outside; /* the gate, on a host thread, where the log's descriptor number is not ours */
	int slot;         /* of a post; negative: all are in use, and it waits for one */
	enum kind kind;   /* of what was posted */
	uint64_t post_ns; /* when it was */
	size_t resize; /* verified first, then resized to this; 0: it is on its way out */
};

/* Before blocks of this size are allocated, and before many are freed for good: what the allocator's cache needs. */
void transit_prepare(size_t size);
void transit_make_room(void);

/* Allocates, within the budget, or posts it. 0; -ENOMEM: the allocator refused; -EDQUOT: the budget did,
   `why` (may be NULL) has the figures. */
int transit_in(struct transit *t, const struct want *w, char why[BUDGET_WHY_MAX]);

/* Up to this size asking what there is to do with a chunk takes longer than doing it. */
#define TRANSIT_SMALL_BYTES 1024

/* A good number of them at a time: microseconds. */
#define TRANSIT_SMALL_AT_ONCE 32

/* All of a small chunk's way in, from 1 byte, straight into the pool; the budget was asked for many. False where the
   allocator or the record had no room. */
bool transit_in_small(struct chunk_pool *pool, size_t size);

/* Of a posted one: is it allocated now? True also when it has been refused: `t` is then idle and `*failed`
   increased. */
bool transit_arrived(struct transit *t, uint64_t *failed);

/* Gives up a posted one. False when a host thread is just at it: ask again in a moment. */
bool transit_withdraw(struct transit *t);

/* When to look after a posted one again: soon at first, then more and more seldom. */
uint64_t transit_look_ns(const struct transit *t, uint64_t now_ns);

/* Starts to resize a chunk that has left its pool, by the allocator's realloc; `size` is not 0. 0, or -EDQUOT:
   the budget refused, `t` is idle and the chunk still the caller's. */
int transit_resize(struct transit *t, const struct chunk *c, size_t size, char why[BUDGET_WHY_MAX]);

/* Goes on with it. True when it is over and `t` idle again; `t->chunk` is then as it is to be kept. `*failed` is
   then increased if the allocator refused. */
bool transit_resize_step(struct transit *t, struct slice *slice, uint64_t *failed, uint64_t *damaged);

/* Makes the content. True when the chunk is ready in `t->chunk` and `t` is idle again. */
bool transit_in_step(struct transit *t, struct slice *slice);

/* Starts to release a chunk that has left its pool. `for_good`: what was injected is being taken
   back, so pages are purged rather than left to the allocator's own policy; a test's cycle leaves
   them, as a program's own frees would. */
void transit_out(struct transit *t, const struct chunk *c, bool for_good);

/* Goes on with it. True when it is freed and `t` is idle again; `*damaged` is then increased
   if its pattern was found damaged. */
bool transit_out_step(struct transit *t, struct slice *slice, uint64_t *damaged);

/* Releases the pool's chunks one after the other. True when it is empty and `t` idle. */
bool transit_drain(struct transit *t, struct chunk_pool *pool, bool for_good, struct slice *slice,
		   uint64_t *damaged);

/* Frees a small chunk without a pattern at once, for good. False where there is more to do: see transit_out. */
bool transit_out_at_once(const struct chunk *c);

/* The same with the chunks that chunk_drain would take, as long as they are small and the slice lasts. True when the one
   after them has more to do: it has left the pool too, and is in `other`. */
bool transit_out_small(struct chunk_pool *pool, struct slice *slice, struct chunk *other);

/* After fork, in the child: what was on its way goes to `pool`. The caller sets the budget anew. */
void transit_adopt(struct transit *t, struct chunk_pool *pool);

/* Counts and logs damage at an offset of a chunk. Any thread; `quiet`: not the log, whose line is written outside the gate
   (record_line). */
void transit_note_damage(const struct chunk *c, size_t offset, bool quiet);

/* Chunks found damaged since start. Any thread. */
uint64_t transit_corruptions(void);

#endif
