/* SPDX-License-Identifier: BSD-2-Clause */
/* Our thread's beginnings. */
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)128 << 10)
#define STACK_MAX_BYTES ((size_t)16 << 20)

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/* glibc takes the static TLS of all loaded objects from a thread's stack; this (private, but relied
   on by others too) says how much that leaves as the least. 0 elsewhere. */
static size_t least_stack(const pthread_attr_t *attr)
{
	size_t (*minstack)(const pthread_attr_t *) = NULL;
	void *at = dlsym(RTLD_DEFAULT, "__pthread_get_minstack");

	if (!at)
		return 0;
	memcpy(&minstack, &at, sizeof(at));
	return minstack(attr);
}

static int create(void *(*run)(void *))
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t stack;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	stack = STACK_BYTES + least_stack(&attr);
	do {
		stack = (stack + 4095) & ~(size_t)4095;
		rc = pthread_attr_setstacksize(&attr, stack);
		if (rc == 0)
			rc = pthread_create(&thread, &attr, run, NULL);
		stack *= 2;
	} while (rc == EINVAL && stack <= STACK_MAX_BYTES);
	pthread_attr_destroy(&attr);
	return rc;
}

int thread_start(void *(*run)(void *))
{
	sigset_t all, before;
	int rc;

	/* pthread_sigmask leaves out the two signals that glibc needs for setuid and the like. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = create(run);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

/* Where close_range is refused or unknown: a copy of the table, closed number by number. */
static int copy_and_close(void)
{
	long limit = sysconf(_SC_OPEN_MAX);

	if (unshare(CLONE_FILES) < 0)
		return -errno;
	for (int fd = 0; fd < (limit > 0 ? (int)limit : 1024); fd++)
		close(fd);
	return 0;
}

/* So that text which the C library prints in distress cannot reach a client. Without /dev
   (chroot), an eventfd: it takes no text either. */
static int fill_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		int got = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (got < 0)
			got = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (got < 0)
			return -errno;
	}
	return 0;
}

int thread_settle(void)
{
	int rc = 0;

	prctl(PR_SET_NAME, "mtpreload", 0, 0, 0);
	if (syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		rc = copy_and_close();
	return rc ? rc : fill_standard();
}
