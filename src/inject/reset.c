/* SPDX-License-Identifier: BSD-2-Clause */
/* A reset without a client: its job lies here, so that it needs no connection and no memory. */
#include "reset.h"

#include "inject/bulk.h"

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

void reset_adopt(void)
{
	if (running)
		begin();
}
