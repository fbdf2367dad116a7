/* SPDX-License-Identifier: BSD-2-Clause */
/* Long work for a command, done in slices between polls. Inside the gate, on our thread. The
   caller owns the struct until `done` was called. */
#ifndef MT_INJECT_JOB_H
#define MT_INJECT_JOB_H

#include <stdbool.h>

#include "inject/transit.h"

struct chunk_pool;
struct test;

struct job {
	bool (*step)(struct job *j, struct slice *slice); /* true when finished */
	void (*done)(struct job *j);
	void *owner;

	/* Jobs on the same pool run one after the other; NULL stands for all pools. */
	const struct chunk_pool *scope;
	bool urgent;    /* waits for nobody, and nobody for it */
	bool parked;    /* cannot go on until its owner says so */
	bool cancelled; /* step sees it, cleans up and finishes */
	uint64_t wake_ns; /* not to be run before; step sets it anew each time */

	/* What was done so far, and what there is to do. */
	uint64_t goal; /* bytes; 0: not known */
	uint64_t bytes, chunks, errors, damaged;
	char why[BUDGET_WHY_MAX]; /* the budget's refusal, if any */

	/* What is to be done, and how far it is: bulk.c's. */
	uint64_t min, max, left;
	bool more; /* allocating: another chunk follows; freeing: everything, `left` does not count */
	bool begun;  /* freeing everything */
	uint64_t held; /* mt.reset: before it began */
	bool waited; /* freeing: chunks that others had in hand may have come back meanwhile */
	enum where where;
	uint64_t pending; /* bytes that the host did not come to allocate */
	unsigned failures_in_a_row;
	unsigned waiting_for; /* tests on their way out */
	struct {
		int round;         /* FREE_HAND … */
		uint64_t test_id;  /* in the rounds of tests */
		uint64_t removals; /* of the pool, when the walk was last in step with it */
		struct chunk_cursor at, smallest_at;
		uint64_t smallest; /* of the chunks passed over */
	} from;
	struct transit moving;

	struct job *next;
};

void job_add(struct job *j);

/* Gives one runnable job, in turn, the slice. False when there is none. */
bool job_run(struct slice *slice);

/* When job_run has something to run: 0 for now, CLOCK_NEVER where there is nothing. */
uint64_t job_next_ns(void);

/* All but the urgent ones: those are short, or a listing that is parked until its client reads. */
void job_cancel_all(void);

/* Is a cancelled job still cleaning up? */
bool job_any_cancelled(void);

/* After fork, in the child: forgets all jobs; chunks on their way go to `pool`. */
void job_adopt(struct chunk_pool *pool);

#endif
