/* SPDX-License-Identifier: BSD-2-Clause */
/* The C API's share of injection: runs on the host's threads. The chunk's bytes are handled
   outside the gate, so that a large one holds nobody up. */
#include "hand.h"

#include "inject/gate.h"
#include "inject/release.h"
#include "inject/transit.h"

struct chunk_pool hand_pool;

#define NO_HURRY_NS (UINT64_MAX / 2)

int hand_alloc(size_t size)
{
	struct transit t = { 0 };
	struct slice slice = slice_of(NO_HURRY_NS);
	int rc = transit_in(&t, &(struct want){ .size = size, .outside = true }, NULL);

	if (rc)
		return rc;
	while (!transit_in_step(&t, &slice))
		continue;
	gate_enter();
	rc = chunk_push(&hand_pool, &t.chunk);
	gate_leave();
	if (rc)
		release_chunk(&t.chunk, true);
	return rc;
}

static bool pop_one(struct chunk *c)
{
	bool got;

	gate_enter();
	got = chunk_pop(&hand_pool, c);
	gate_leave();
	return got;
}

void hand_free(void)
{
	struct slice slice = slice_of(NO_HURRY_NS);
	struct transit t = { 0 };
	struct chunk c;
	uint64_t damaged = 0, left;

	gate_enter();
	left = hand_pool.chunks;
	gate_leave();
	for (; left && pop_one(&c); left--) {
		transit_out(&t, &c, true);
		t.outside = true;
		while (!transit_out_step(&t, &slice, &damaged))
			continue;
	}
	release_settle();
}
