/* SPDX-License-Identifier: BSD-2-Clause */
/* A reset without a client: its job lies here, so that it needs no connection and no memory. */
#include "reset.h"

#include <time.h>

#include "base/kernel.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/gate.h"
#include "inject/sched.h"

static struct job job;
static bool running, again;

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

void reset_here(void)
{
	const struct timespec moment = { .tv_nsec = 50000 };

	gate_enter();
	if (budget_used())
		reset_start();
	while (running) {
		struct slice slice = slice_of(SLICE_NS);
		bool idle;

		sched_run(SLICE_NS);
		idle = !job_run(&slice);
		gate_leave();
		if (idle)
			kernel_nanosleep(&moment, NULL); /* a thread of the host's has something in hand */
		gate_enter();
	}
	gate_leave();
}

void reset_adopt(void)
{
	if (running)
		begin();
}
