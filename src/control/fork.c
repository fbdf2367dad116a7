/* SPDX-License-Identifier: BSD-2-Clause */
/* Our fork handlers, on the host's thread that forks. There is one lock to take: the gate. */
#include "fork.h"

#include <errno.h>
#include <pthread.h>

#include "host/real.h"
#include "inject/gate.h"

_Atomic uint64_t fork_mode;

static void (*child_hook)(void);

static void in_child(void)
{
	int saved = errno;

	gate_reset();
	child_hook();
	errno = saved;
}

int fork_follow(void (*hook)(void))
{
	/* Allocators register their own handlers at their first call. Prepare handlers run in reverse
	   order: theirs have to be there before ours, or their locks would be taken before the
	   gate, and our thread, inside it, would wait for them while they wait for us. */
	real.free(real.malloc(1));
	child_hook = hook;
	return -pthread_atfork(gate_enter, gate_leave, in_child);
}
