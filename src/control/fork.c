/* SPDX-License-Identifier: BSD-2-Clause */
/* Our fork handlers, on the host's thread that forks. There is one lock to take: the gate. Child handlers run in the order
   of registration. The first pair of ours is there from the start, the second comes behind those that the host registers
   in main: where its allocator is among them, that is locked in the child until then. */
#include "fork.h"

#include <errno.h>
#include <pthread.h>

#include "host/real.h"
#include "inject/gate.h"

_Atomic uint64_t fork_mode;

static struct {
	void (*adopt)(void);
	void (*begin)(bool usable);
	atomic_bool has_late; /* handlers are registered */
} hooks;

static _Thread_local bool late_follows; /* this thread forks, and they will run */

static void prepare_late(void)
{
	late_follows = true;
}

static void in_parent(void)
{
	gate_leave_after_fork();
	late_follows = false;
}

static void in_child(void)
{
	int saved = errno;

	gate_reset();
	hooks.adopt();
	if (!late_follows)
		hooks.begin(false);
	errno = saved;
}

static void in_child_late(void)
{
	int saved = errno;

	if (late_follows)
		hooks.begin(true);
	late_follows = false;
	errno = saved;
}

int fork_follow(void (*adopt)(void), void (*begin)(bool usable))
{
	gate_begin();
	/* Allocators register their own handlers at their first call: best before ours. */
	real.free(real.malloc(1));
	hooks.adopt = adopt;
	hooks.begin = begin;
	return -pthread_atfork(gate_enter_to_fork, in_parent, in_child);
}

void fork_follow_late(void)
{
	/* Where it is refused the first pair goes on doing what it can. */
	if (!atomic_exchange(&hooks.has_late, true))
		(void)pthread_atfork(prepare_late, NULL, in_child_late);
}
