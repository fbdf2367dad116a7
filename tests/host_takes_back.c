/* SPDX-License-Identifier: BSD-2-Clause */
/* Once a line has come: takes a user namespace of its own, and a pid namespace for its children, after which the kernel lets
   it have no thread of ours. Tells whether a signal handler of its ran while what it holds was being taken back. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "include/mtpreload.h"

static volatile unsigned long long held;
static volatile sig_atomic_t seen_between;

static void look(int number)
{
	unsigned long long now = mt_is_here() ? mt_mem_used() : 0;

	(void)number;
	if (now > 0 && now < held)
		seen_between = 1;
}

int main(void)
{
	const struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	int rc;

	if (getchar() == EOF)
		return 2;
	held = mt_is_here() ? mt_mem_used() : 0;
	signal(SIGALRM, look);
	setitimer(ITIMER_REAL, &every, NULL);
	rc = unshare(CLONE_NEWUSER | CLONE_NEWPID);
	setitimer(ITIMER_REAL, &off, NULL);
	printf("unshare %d, a handler ran meanwhile %d, held %llu\n", rc, (int)seen_between, mt_is_here() ? mt_mem_used() : 0);
	return 0;
}
