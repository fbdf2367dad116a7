/* SPDX-License-Identifier: BSD-2-Clause */
/* When to bind. A limit that is too small now may be raised in a moment, and a directory may still appear: a daemon makes
   its own before it drops its rights. So whatever fails is tried again, soon at first. */
#include "publish.h"

#include <errno.h>

#include "base/clock.h"
#include "base/uid.h"
#include "control/server.h"
#include "control/socket.h"
#include "control/stop.h"
#include "inject/budget.h"
#include "inject/reset.h"

#define AGAIN_FIRST_NS (100 * NS_PER_MS)
#define AGAIN_LAST_NS (5 * NS_PER_S)

static struct {
	uint64_t bind_ns;  /* CLOCK_NEVER: nothing is to be bound */
	uint64_t again_ns; /* after the next failure */
} plan;

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void publish_begin(uint64_t first_ns)
{
	plan.bind_ns = first_ns;
	plan.again_ns = AGAIN_FIRST_NS;
}

uint64_t publish_next_ns(void)
{
	if (server_is_starved())
		return 0;
	return earlier(plan.bind_ns, socket_next_ns());
}

/* Whoever comes then cannot be told from others. What is held, from before it entered that namespace, nobody could
   take back any more. */
static int refuse_everybody(void)
{
	if (budget_used())
		reset_start();
	return -EPERM;
}

/* Room first: a name that listens and is never served would hold its clients up. */
static int publish(void)
{
	int fd = uid_has_number() ? server_reserve() : refuse_everybody();

	if (fd == 0)
		fd = socket_open();
	if (fd < 0)
		return fd;
	server_start(fd);
	stop_in_directory_of(socket_path());
	return 0;
}

static void try_later(uint64_t now)
{
	plan.bind_ns = now + plan.again_ns;
	plan.again_ns = earlier(2 * plan.again_ns, AGAIN_LAST_NS);
}

void publish_run(void)
{
	uint64_t now = clock_ns();
	int rc;

	if (server_is_starved()) {
		socket_withdraw();
		server_close_listener();
		try_later(now);
	} else if (socket_is_lost()) {
		plan.bind_ns = now;
	}
	if (now < plan.bind_ns)
		return;
	rc = publish();
	if (rc < 0 && rc != -ECANCELED) {
		try_later(now);
		return;
	}
	publish_begin(CLOCK_NEVER);
}
