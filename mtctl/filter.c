/* SPDX-License-Identifier: BSD-2-Clause */
/* Judges seccomp filters without setting them off. The kernel tells how many a thread has, but not what they do; to
   read them takes ptrace, which interrupts our thread's poll and so sets them off. But filters are never lost, and
   those that were there when the program began are harmless: the library has tried its calls behind them before it
   started its thread, and the thread's name tells how many they were. */
#include "filter.h"

#include <stdio.h>

#include "effort.h"
#include "proc.h"

#define FILTER_MODE 2 /* SECCOMP_MODE_FILTER */

long filter_count(const struct buf *status)
{
	long filters;

	if (proc_field(status->data, "\nSeccomp:\t", false) != FILTER_MODE)
		return 0;
	filters = proc_field(status->data, "\nSeccomp_filters:\t", false);
	return filters ? filters : 1; /* Linux tells the number since 5.9 */
}

bool filter_may_kill(pid_t pid)
{
	struct buf status = { 0 };
	bool may = false;
	pid_t thread;
	long tried;
	char file[48];

	/* TSYNC puts it on the first thread too; to look through the threads of all processes would take long. */
	if (proc_file(pid, "status", &status) == 0 && filter_count(&status)) {
		thread = proc_our_thread(pid, &tried);
		snprintf(file, sizeof(file), "task/%d/status", (int)thread);
		if (thread)
			may = proc_file(pid, file, &status) == 0 && filter_count(&status) > tried;
		else
			may = effort_is_over("/proc"); /* it has too many threads to tell */
	}
	buf_free(&status);
	return may;
}
