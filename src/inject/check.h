/* SPDX-License-Identifier: BSD-2-Clause */
/* Verifies what is held, without freeing it. Inside the gate, on our thread. */
#ifndef MT_INJECT_CHECK_H
#define MT_INJECT_CHECK_H

#include "inject/job.h"

/* One damaged chunk. */
struct finding {
	uint64_t test; /* its id; 0: the hand pool */
	uint64_t chunk; /* its place in its pool, 0 the newest */
	const void *address;
	uint64_t offset; /* of the first byte that differs */
	unsigned char expected, found;
};

/* What is found beyond this is counted only. */
#define CHECK_FINDINGS_MAX 100

/* Verifies every chunk with a pattern, of the hand pool and then of each test, newest first; `chunks` are those
   verified, `damaged` those that differ. Chunks that leave meanwhile are not met. `done` and `owner` are
   set, as for bulk.h; one check at a time, the next one waits. */
void check_start(struct job *j);

/* What the check that is being answered has found; NULL past the last. */
const struct finding *check_finding(unsigned index);

#endif
