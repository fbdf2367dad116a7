/* SPDX-License-Identifier: BSD-2-Clause */
/* All tests: their table, when each is due, and the ones in the middle of a long tick. Inside the
   gate, on our thread. */
#ifndef MT_INJECT_SCHED_H
#define MT_INJECT_SCHED_H

#include <stdatomic.h>

#include "inject/job.h"
#include "inject/test.h"

/* Setting: where the random numbers of tests and of mt.mem_rnd_alloc begin. */
extern _Atomic uint64_t sched_seed;

/* 0 and the id, or -ENOMEM. The plan has been checked (bulk limits are the command's). */
int sched_start(const struct test_plan *plan, uint64_t *id);

struct test *sched_find(uint64_t id); /* NULL: no such test */

/* The newest test with an id below `id`, NULL after the oldest. Good for listing in slices
   while tests come and go. Start from SCHED_NEWEST. */
#define SCHED_NEWEST UINT64_MAX
struct test *sched_below(uint64_t id);

void sched_stop(struct test *t); /* nothing for one that is not running */
void sched_stop_all(void);

/* After something was freed: leaks that rested at their limit go on to it again. */
void sched_resume_leaks(void);

/* Forgets the test at once; its memory is freed in slices, then `waiter->waiting_for` goes down. */
void sched_destroy(struct test *t, struct job *waiter);

/* Runs what is due and goes on with what is unfinished, for a slice each. */
void sched_run(uint64_t slice_ns);

/* Has a test that does not run any more a chunk on its way out? */
bool sched_any_leaving(void);

/* Marks the tests that free something by themselves: those destroyed, stopped or beginning their cycle again in the middle
   of a tick. Returns how many bytes are on their way. Then: has one of them not finished its tick? */
uint64_t sched_await_leaving(void);
bool sched_any_awaited(void);

/* When sched_run has to be called next: CLOCK_NEVER when no test runs. */
uint64_t sched_next_ns(void);

struct sched_counts {
	uint64_t running, stopped, corruptions;
};
struct sched_counts sched_count(void);

/* After fork, in the child: tests run on in the parent only; their chunks go to `pool`. */
void sched_adopt(struct chunk_pool *pool);

#endif
