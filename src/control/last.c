/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that exists only once the main thread has ended: it waits for the host's others. It keeps the
   host's descriptors, since it is to flush the host's streams, and so opens nothing. */
#include "last.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/control.h"
#include "control/life.h"

#define LOOK_FIRST_NS NS_PER_MS
#define LOOK_LAST_NS (50 * NS_PER_MS)

/* What /proc/PID/task counts as links besides the threads. */
#define TASK_LINKS 2

static pthread_key_t main_thread;
static bool has_key;
static sigset_t main_mask;
static bool by_call; /* it has ended by the system call, past the C library, for which the process has more threads */

/* How many threads the process has, the ended main thread among them; 0 without /proc. */
static unsigned count_threads(void)
{
	struct stat st;

	return kernel_stat("/proc/self/task", &st) == 0 && st.st_nlink > TASK_LINKS ?
		       (unsigned)st.st_nlink - TASK_LINKS :
		       0;
}

/* It has ended once it is a thread without an address space. In a root without /proc nothing tells. */
bool last_main_has_ended(void)
{
	char path[64], target[1];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/task/%d/exe", (int)kernel_pid());
	if (kernel_readlink(path, target, sizeof(target)) >= 0 || errno != ENOENT)
		return false;
	*strrchr(path, '/') = '\0';
	return kernel_stat(path, &st) == 0;
}

/* Only the main thread is left, this one, and the one that obeys commands; not where a thread of the host's is
   just ending or starting that one. */
static bool others_have_ended(void)
{
	unsigned changes = life_changes();

	return changes % 2 == 0 && count_threads() == 2u + life_is_active() && last_main_has_ended() &&
	       life_changes() == changes;
}

static void *wait_for_others(void *unused)
{
	uint64_t look_ns = LOOK_FIRST_NS;

	(void)unused;
	kernel_prctl(PR_SET_NAME, "mtpreload-exit", 0, 0, 0);
	while (count_threads()) {
		if (others_have_ended()) {
			if (by_call)
				break;
			pthread_sigmask(SIG_SETMASK, &main_mask, NULL);
			exit(0);
		}
		kernel_nanosleep(&(struct timespec){ .tv_nsec = (long)look_ns }, NULL);
		look_ns = look_ns * 2 < LOOK_LAST_NS ? look_ns * 2 : LOOK_LAST_NS;
	}
	/* Nothing can be seen, or the C library would not have been asked: the process ends by itself. */
	control_pause();
	return NULL;
}

static void start_waiting(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &main_mask);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* The default stack: the host's exit handlers will run on it. */
	rc = pthread_create(&thread, &attr, wait_for_others, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &main_mask, NULL);
	if (rc)
		control_pause();
}

/* A destructor of thread specific data: the main thread ends, the process goes on. */
static void main_ends(void *unused)
{
	(void)unused;
	if (life_is_wanted())
		start_waiting();
}

void last_by_call(void)
{
	by_call = true;
	if (count_threads() > 1u + life_is_active())
		start_waiting();
	else
		control_pause(); /* nobody goes on */
}

void last_in_child(void)
{
	by_call = false;
	if (has_key)
		pthread_setspecific(main_thread, &has_key);
}

void last_begin(void)
{
	has_key = pthread_key_create(&main_thread, main_ends) == 0;
	last_in_child();
}
