/* SPDX-License-Identifier: BSD-2-Clause */
/* The thread of mt.mem_trim. It opens nothing and takes no lock of ours. */
#include "trimmer.h"

#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/thread.h"
#include "host/trim.h"
#include "inject/gate.h"

#define PATIENCE_NS (2 * NS_PER_S)

static atomic_bool running;
static _Atomic pid_t tid; /* 0: the last one is gone, or there was none */

static void *run(void *unused)
{
	(void)unused;
	atomic_store(&tid, kernel_tid());
	kernel_prctl(PR_SET_NAME, "mtpreload-trim", 0, 0, 0);
	trim_heap();
	atomic_store(&running, false);
	return NULL;
}

void trimmer_start(void)
{
	bool started;

	if (!trim_has_heap())
		return;
	atomic_store(&running, true);
	gate_block_begin(); /* a thread takes memory of the allocator's */
	started = thread_start(run) == 0;
	if (!started)
		trim_heap();
	gate_block_end();
	if (!started)
		atomic_store(&running, false);
}

bool trimmer_is_running(void)
{
	return atomic_load(&running);
}

/* The thread has its number as soon as it runs. */
static bool is_gone(void)
{
	pid_t last = atomic_load(&tid);

	return !trimmer_is_running() && (!last || thread_is_gone(last));
}

bool trimmer_wait(void)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	uint64_t deadline_ns = clock_ns() + PATIENCE_NS;

	while (!is_gone()) {
		if (clock_ns() >= deadline_ns)
			return false;
		kernel_nanosleep(&moment, NULL);
	}
	atomic_store(&tid, 0);
	return true;
}

void trimmer_forget(void)
{
	atomic_store(&running, false);
	atomic_store(&tid, 0);
}
