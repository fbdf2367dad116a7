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

enum transit_stage { TRANSIT_IDLE, TRANSIT_FILLING, TRANSIT_VERIFYING, TRANSIT_PURGING };

/* Zeroed is idle. */
struct transit {
	struct chunk chunk;
	size_t done; /* bytes of the stage behind us */
	enum transit_stage stage;
	bool pattern; /* while filling: with the pattern, else touched only */
	bool for_good; /* on its way out: pages go back to the system, not only to the allocator */
	bool quiet;   /* on a host thread, where the log's descriptor number is not ours */
};

/* Allocates, within the budget. 0; -ENOMEM: the allocator refused; -EDQUOT: the budget did,
   `why` (may be NULL) has the figures. */
int transit_in(struct transit *t, size_t size, char why[BUDGET_WHY_MAX]);

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

/* After many chunks were released for good: lets the allocator give back what it can by itself. */
void transit_settle(void);

/* After fork, in the child: what was on its way goes to `pool`. The caller sets the budget anew. */
void transit_adopt(struct transit *t, struct chunk_pool *pool);

/* Chunks found damaged since start. Any thread. */
uint64_t transit_corruptions(void);

#endif
