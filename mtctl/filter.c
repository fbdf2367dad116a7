/* SPDX-License-Identifier: BSD-2-Clause */
/* Judges seccomp filters without setting them off. The kernel tells how many a thread has, but neither what they
   do nor since when; to read them takes ptrace, which interrupts our thread's poll and so sets them off. But
   filters are inherited and never lost. So all of them are from before the program began where our thread

   - has no more than the nearest ancestor without the library, which has started the program. Ancestors with the
     library are passed over: a server that shuts itself up hands its own filter on to its workers;
   - has no more than mtctl in the same pid namespace, where no such ancestor is there (a container's first process,
     and what docker exec brought in): the container's profile is on both;
   - could not have got any later: without no_new_privs that takes CAP_SYS_ADMIN, and it has not even that in its
     bounding set. Docker's profile is put on by its runtime, which drops those rights. (Who did so itself without
     no_new_privs, and gave up the bounding set later, is missed: every library of filters sets no_new_privs.)

   What systemd puts on a service cannot be told from the service's own, since its parent has none: it is
   suspected. Rejected: the main thread's number (TSYNC makes all the same), the parent's (workers), and
   mtctl's own everywhere (it may be in a service itself). */
#include "filter.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "proc.h"

#define FILTER_MODE 2 /* SECCOMP_MODE_FILTER */
#define SYS_ADMIN (UINT64_C(1) << 21)
#define PARENTS_MAX 64

static long count(const struct buf *status)
{
	long filters;

	if (proc_field(status->data, "\nSeccomp:\t", false) != FILTER_MODE)
		return 0;
	filters = proc_field(status->data, "\nSeccomp_filters:\t", false);
	return filters ? filters : 1; /* Linux tells the number since 5.9 */
}

/* How deep its pid namespace lies below the one of our /proc: an ancestor is in the same one if it lies as deep. */
static unsigned depth(const struct buf *status)
{
	const char *at = strstr(status->data, "\nNSpid:\t");
	unsigned numbers = 0;

	for (at = at ? at + 1 : ""; *at && *at != '\n'; at++)
		numbers += *at == '\t';
	return numbers;
}

static uint64_t rights(const struct buf *status, const char *label)
{
	const char *at = strstr(status->data, label);

	return at ? strtoull(at + strlen(label), NULL, 16) : SYS_ADMIN;
}

static bool may_install(const struct buf *status)
{
	return proc_field(status->data, "\nNoNewPrivs:\t", false) ||
	       ((rights(status, "\nCapPrm:\t") | rights(status, "\nCapBnd:\t")) & SYS_ADMIN);
}

/* The filters of whom the process can have had them from; 0 where nobody is known. `status` is the process's. */
static long inherited(const struct buf *status)
{
	pid_t above = (pid_t)proc_field(status->data, "\nPPid:\t", false);
	unsigned level = depth(status);
	struct buf other = { 0 };
	long filters = -1;

	for (int i = 0; filters < 0 && i < PARENTS_MAX && above > 0; i++) {
		if (proc_file(above, "status", &other) < 0 || depth(&other) != level)
			break;
		if (!proc_our_thread(above))
			filters = count(&other);
		above = (pid_t)proc_field(other.data, "\nPPid:\t", false);
	}
	/* Deeper down, two that lie as deep may be in different ones. */
	if (filters < 0 && level == 1 && proc_file(getpid(), "status", &other) == 0 && depth(&other) == level)
		filters = count(&other);
	buf_free(&other);
	return filters > 0 ? filters : 0;
}

static bool is_suspect(const struct buf *status)
{
	return may_install(status) && count(status) > inherited(status);
}

bool filter_may_kill(pid_t pid)
{
	struct buf status = { 0 };
	bool may = false;
	pid_t thread;
	char file[48];

	/* TSYNC puts it on the first thread too; to look through the threads of all processes would take long. */
	if (proc_file(pid, "status", &status) == 0 && count(&status) && (thread = proc_our_thread(pid))) {
		snprintf(file, sizeof(file), "task/%d/status", (int)thread);
		may = proc_file(pid, file, &status) == 0 && is_suspect(&status);
	}
	buf_free(&status);
	return may;
}
