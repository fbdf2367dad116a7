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
	gate_begin();
	/* Allocators register their own handlers at their first call, and child handlers run in the order of registration:
	   one that is there before ours has its locks in order again when our child handler runs. */
	real.free(real.malloc(1));
	child_hook = hook;
	return -pthread_atfork(gate_enter_to_fork, gate_leave_after_fork, in_child);
}
