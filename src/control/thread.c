/* SPDX-License-Identifier: BSD-2-Clause */
/* Our thread's beginnings. */
#include "thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/names.h"
#include "base/signals.h"

#define STACK_BYTES ((size_t)128 << 10)
#define STACK_MAX_BYTES ((size_t)16 << 20)
#define COUNT_MAX (1L << 16) /* of descriptors that are closed unseen */

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/* glibc takes the static TLS of all loaded objects from a thread's stack; this (private, but relied
   on by others too) says how much that leaves as the least. NULL elsewhere. */
static size_t (*least_stack)(const pthread_attr_t *attr);

void thread_begin(void)
{
	void *at = dlsym(RTLD_DEFAULT, "__pthread_get_minstack");

	memcpy(&least_stack, &at, sizeof(at));
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
	stack = STACK_BYTES + (least_stack ? least_stack(&attr) : 0);
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
	uint64_t before = signals_block_all();
	int rc = create(run);

	signals_restore(before);
	return -rc;
}

static bool close_listed(void *context, const char *name)
{
	int fd = *name >= '0' && *name <= '9' ? (int)strtol(name, NULL, 10) : -1;

	if (fd >= 0 && fd != *(const int *)context)
		kernel_close(fd);
	return true;
}

/* Where close_range is refused or unknown: a copy of the table, closed number by number. The limit tells the least: the
   host may have lowered it below what it has, and where there is none, counting up to it would take minutes. */
static int copy_and_close(void)
{
	long limit = sysconf(_SC_OPEN_MAX);
	int list;

	if (kernel_unshare(CLONE_FILES) < 0)
		return -errno;
	kernel_close(0); /* or there may be no room for one more */
	list = kernel_open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (list >= 0) {
		names_each(list, close_listed, &list);
		kernel_close(list);
		return 0;
	}
	if (limit < 0 || limit > COUNT_MAX)
		limit = COUNT_MAX;
	for (int fd = 0; fd < (int)limit; fd++)
		kernel_close(fd);
	return 0;
}

/* So that text which the C library prints in distress cannot reach a client. Without /dev
   (chroot), an eventfd: it takes no text either. */
static int fill_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		int got = kernel_open("/dev/null", O_RDWR | O_CLOEXEC, 0);

		if (got < 0)
			got = kernel_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (got < 0)
			return -errno;
	}
	return 0;
}

int thread_settle(const char *name)
{
	int rc = 0;

	kernel_prctl(PR_SET_NAME, name, 0, 0, 0);
	if (kernel_close_range(0u, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		rc = copy_and_close();
	return rc ? rc : fill_standard();
}

bool thread_is_gone(pid_t tid)
{
	return kernel_tgkill(kernel_pid(), tid, 0) < 0;
}
