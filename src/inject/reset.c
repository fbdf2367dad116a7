/* SPDX-License-Identifier: BSD-2-Clause */
/* A reset without a client: its job lies here, so that it needs no connection and no memory. */
#include "reset.h"

#include <time.h>

#include "base/kernel.h"
#include "host/trim.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/gate.h"
#include "inject/hand.h"
#include "inject/release.h"
#include "inject/sched.h"
#include "inject/unmap.h"

static struct job job;
static bool running, again;
static bool here; /* a thread of the host's is at it: a job has one that works on it */

#define NO_HURRY_NS (UINT64_MAX / 2)

static void begin(void);

static void done(struct job *j)
{
	(void)j;
	running = false;
	if (again)
		begin();
}

static void begin(void)
{
	again = false;
	running = true;
	job = (struct job){ .done = done };
	bulk_reset(&job);
}

void reset_start(void)
{
	if (!running) {
		begin();
		return;
	}
	/* The one under way may have passed what was injected since. */
	bulk_stop_all();
	again = true;
}

bool reset_is_running(void)
{
	return running;
}

static void wait_outside(void)
{
	static const struct timespec moment = { .tv_nsec = 50000 };

	gate_leave();
	kernel_nanosleep(&moment, NULL);
	gate_enter();
}

void reset_here(void)
{
	bool holds;

	gate_enter();
	while (here)
		wait_outside();
	here = true;
	holds = budget_used() != 0;
	if (holds)
		reset_start();
	release_gather(true);
	while (running) {
		struct slice slice = slice_of(SLICE_NS);

		sched_run(SLICE_NS);
		if (job_run(&slice)) {
			gate_leave();
			gate_enter();
		} else {
			wait_outside(); /* a thread of the host's has something in hand */
		}
	}
	release_gather(false);
	here = false;
	gate_leave();
	if (holds && trim_has_heap())
		trim_heap(); /* takes long, and a fork waits for who is inside */
}

/* Mappings go at once, and of blocks what is no allocator's business. */
static void give_back_pages(void)
{
	struct slice slice = slice_of(NO_HURRY_NS);
	struct chunk_cursor at = { 0 };
	struct chunk c;

	while (chunk_prev(&hand_pool, &at, &c)) {
		if (c.flags & CHUNK_MAPPED) {
			chunk_take(&hand_pool, &at);
			release_chunk(&c, false);
		} else {
			content_purge(c.addr, 0, c.size);
			chunk_mark(&at, c.flags & ~CHUNK_PATTERN);
		}
	}
	unmap_kept(&slice);
}

void reset_adopted(bool usable)
{
	struct slice slice = slice_of(NO_HURRY_NS);
	struct transit moving = { 0 };
	uint64_t damaged = 0;

	gate_enter();
	running = again = false;
	give_back_pages();
	if (usable && hand_pool.chunks) {
		release_gather(true);
		while (!transit_drain(&moving, &hand_pool, true, &slice, &damaged))
			continue;
		release_gather(false);
		if (trim_has_heap())
			trim_heap();
	}
	gate_leave();
}

void reset_adopt(void)
{
	here = false;
	if (running)
		begin();
}
