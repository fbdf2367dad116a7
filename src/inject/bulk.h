/* SPDX-License-Identifier: BSD-2-Clause */
/* The long commands: allocating many chunks or a large one, freeing, destroying tests. Each
   fills a zeroed job whose `done` and `owner` the caller has set, and queues it. Inside the gate,
   on our thread. */
#ifndef MT_INJECT_BULK_H
#define MT_INJECT_BULK_H

#include "inject/job.h"
#include "inject/test.h"

/* Setting: an enum where, for what is allocated by hand and for tests that are started from now on. */
extern _Atomic uint64_t bulk_where;

/* Exactly `total` bytes into the hand pool, in pieces of min..max; the last one is trimmed. One
   piece of 0 bytes where all are 0. Failures are counted in `errors`; what succeeded stays. A
   refusal by the budget ends it, and so does a host that does not allocate, if that is where it is to happen;
   `pending` is then what has not been done. When cancelled, what was done stays. */
void bulk_alloc(struct job *j, uint64_t min, uint64_t max, uint64_t total);

/* Resizes a random chunk of the hand pool. Afterwards `chunks` is 1, or 0 where there was none; `bytes` its size
   before; `errors` 1 where it was refused. */
void bulk_resize(struct job *j, uint64_t size);

/* Frees at least `bytes`: from the hand pool, then from stopped tests, then from running ones,
   newest test first; in each from the newest chunk to the oldest those that fit into what is
   left to free, and if that does not reach it the smallest of the others. */
void bulk_free(struct job *j, uint64_t bytes);

/* Frees everything; running tests run on. `urgent`: waits for no other job. */
void bulk_free_all(struct job *j, bool urgent);

/* Everything is to be taken back: stops all tests and cancels all jobs. */
void bulk_stop_all(void);

/* mt.reset: the same, and then frees everything, urgently. */
void bulk_reset(struct job *j);

/* Destroys one test, or (NULL) all. Done when their memory is freed. */
void bulk_destroy(struct job *j, struct test *t);

/* The next mt.mem_rnd_alloc starts from sched_seed again. */
void bulk_reseed(void);

/* Everything injected goes to the hand pool: after fork, in the child. */
void bulk_adopt(void);

#endif
