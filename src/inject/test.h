/* SPDX-License-Identifier: BSD-2-Clause */
/* One timed test: it owns its chunks, its random numbers and its statistics. When it runs is
   sched.c's business. Inside the gate, on our thread. */
#ifndef MT_INJECT_TEST_H
#define MT_INJECT_TEST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/prng.h"
#include "inject/transit.h"

struct job;

/* Setting: of a hundred ticks of a test that cycles, so many resize one of its chunks instead of allocating. */
extern _Atomic uint64_t test_realloc_percent;

enum shape {
	SHAPE_CYCLE, /* mt.mem_test_start */
	SHAPE_RATE,  /* a leak: so many bytes a second */
	SHAPE_STEP,  /* all of its limit at once */
	SHAPE_EXP,   /* the rate doubles with every period */
	SHAPE_RAMP   /* evenly up to its limit, which it reaches after ramp_ms and keeps */
};

#define TEST_NO_END UINT64_MAX

struct test_plan {
	uint64_t min_bytes, max_bytes; /* of one allocation */
	uint64_t total_bytes;          /* held, at which it begins again (a cycle) or stays (a leak) */
	uint64_t min_ms, max_ms;       /* between two allocations of a cycle */
	uint64_t time_ms;              /* after which it ends and frees what it holds */
	enum shape shape;
	enum kind kind;
	enum where where;
	uint64_t rate_bytes; /* a second; of a leak */
	uint64_t period_ms;
	uint64_t ramp_ms;
};

struct test_stats {
	uint64_t calls; /* allocations tried */
	uint64_t errors;
	uint64_t overflows; /* times that total_bytes was reached and freed */
	uint64_t bytes;     /* allocated over all cycles */
	uint64_t reallocs;
	uint64_t corruptions;
	uint64_t sequence; /* a hash of all sizes and intervals drawn so far */
};

enum test_state {
	TEST_RUNNING,
	TEST_STOPPED, /* by command: holds its memory */
	TEST_ENDED,   /* by time: has freed it */
	TEST_LEAVING  /* destroyed: gone once its memory is freed */
};

enum test_phase { TEST_IDLE, TEST_EMPTYING, TEST_ALLOCATING, TEST_FILLING, TEST_RESIZING };

struct test {
	uint64_t id; /* from 1, never used again */
	struct test_plan plan;
	enum test_state state;
	enum test_phase phase; /* other than idle: in the middle of a tick that takes many slices */
	bool ending;           /* this emptying is the last thing it does */
	bool failing;          /* the last allocation was refused */
	bool resting;          /* a leak that has reached its limit: not due before its end */
	uint64_t start_ns, end_ns;
	uint64_t over_ns; /* when it was stopped or ended */
	uint64_t due_ns;
	uint64_t paced_ns; /* when the next allocation is due, exactly; due_ns is when to look */
	double leak_part_ns; /* of a nanosecond, beyond paced_ns: with small chunks it adds up */
	struct prng random;
	struct test_stats stats;
	struct chunk_pool pool;
	struct transit moving;
	uint64_t resized_from; /* the size of the chunk on its way, before */

	/* sched.c's */
	uint32_t heap_at; /* 0: not in the heap */
	struct test *next_busy;
	bool busy;
	struct job *waiter; /* told when it has left */
	bool awaited;       /* this tick is, by mt.mem_free */

	/* Why the last one that failed did, with its figures; "" where none has. Last, since it is read and written seldom. */
	char refusal[BUDGET_WHY_MAX];
};

/* Fills a zeroed test. The same seed and id give the same sizes and intervals. */
void test_init(struct test *t, uint64_t id, const struct test_plan *plan, uint64_t seed,
	       uint64_t now_ns);

/* Begins what is due: an allocation, or the end. */
void test_tick(struct test *t);

/* Goes on until the tick is complete (true) or the slice over. */
bool test_advance(struct test *t, struct slice *slice);

/* Sets due_ns to the next tick, or to the end. Late ticks are caught up, 100 ms' worth at most. */
void test_set_next(struct test *t, uint64_t now_ns);

/* Has something been taken from a leak that rests at its limit? Then test_resume has it go on, from now, as fast as it
   would be by now. */
bool test_wants_more(const struct test *t);
void test_resume(struct test *t, uint64_t now_ns);

uint64_t test_held_bytes(const struct test *t);
uint64_t test_leaving_bytes(const struct test *t); /* of what it holds: on its way out already */
uint64_t test_pending_bytes(const struct test *t); /* which a thread of the host's is to allocate */
uint64_t test_run_ms(const struct test *t, uint64_t now_ns);
/* To its end; of a ramp, to its top. */
uint64_t test_remaining_ms(const struct test *t, uint64_t now_ns);

#endif
