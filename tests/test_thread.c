/* SPDX-License-Identifier: BSD-2-Clause */
/* Our thread takes no signal, sees no descriptor of the host's and gives it none. */
#include "control/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/kernel.h"
#include "control/sleep.h"
#include "tests/unit.h"

static sem_t finished;
static int host_fd;
static _Atomic pid_t tid;

/* What the thread found; read once it has posted. */
static struct {
	int rc, null_fds, host_fd_errno, next_fd;
	sigset_t mask;
	char name[16];
} found;

static void *run(void *unused)
{
	(void)unused;
	pthread_sigmask(SIG_SETMASK, NULL, &found.mask);
	found.rc = thread_settle("mtpreload");
	prctl(PR_GET_NAME, found.name);
	for (int fd = 0; fd <= 2; fd++)
		found.null_fds += write(fd, "to nobody", 9) == 9;
	errno = 0;
	if (host_fd > 3 && fcntl(host_fd, F_GETFD) < 0)
		found.host_fd_errno = errno;
	found.next_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sem_post(&finished);
	return NULL;
}

START_TEST(thread_keeps_to_itself)
{
	sigset_t before, after;
	int low = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char byte = 'x';

	host_fd = fcntl(low, F_DUPFD_CLOEXEC, 50);
	ck_assert_int_eq(sem_init(&finished, 0, 0), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	ck_assert_int_eq(thread_start(run), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ck_assert_int_eq(sem_wait(&finished), 0);

	for (int signal = 1; signal < 32; signal++) {
		ck_assert_int_eq(sigismember(&after, signal), sigismember(&before, signal));
		if (signal != SIGKILL && signal != SIGSTOP)
			ck_assert_int_eq(sigismember(&found.mask, signal), 1);
	}
	ck_assert_int_eq(found.rc, 0);
	ck_assert_str_eq(found.name, "mtpreload");
	ck_assert_int_eq(found.null_fds, 3);
	ck_assert_int_eq(found.host_fd_errno, EBADF);
	ck_assert_int_eq(found.next_fd, 3);
	ck_assert_int_eq(read(host_fd, &byte, 1), 1); /* the host's own table is as it was */
	ck_assert_int_eq(byte, 0);
	close(host_fd);
	close(low);
}
END_TEST

static void *give_number(void *number)
{
	(void)number;
	atomic_store(&tid, kernel_tid());
	return NULL;
}

START_TEST(thread_is_seen_to_be_gone)
{
	atomic_store(&tid, 0);
	ck_assert(!thread_is_gone(kernel_tid()));
	ck_assert_int_eq(thread_start(give_number), 0);
	while (!atomic_load(&tid) || !thread_is_gone(atomic_load(&tid)))
		unit_moment();
}
END_TEST

/* The C library's functions leave this signal out: they would let it through, and then it ends the process. */
START_TEST(signal_that_wakes_our_thread_stays_blocked_while_it_starts_another)
{
	uint64_t wake = UINT64_C(1) << 31, mask = 0;

	ck_assert_int_eq(sleep_told_by(0), -EPERM);
	ck_assert_int_eq(sem_init(&finished, 0, 0), 0);
	ck_assert_int_eq(thread_start(run), 0); /* the first one of a process unblocks it, by the C library */
	ck_assert_int_eq(sem_wait(&finished), 0);
	ck_assert_int_eq(kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &wake, NULL, sizeof(wake)), 0);
	kernel_tgkill(getpid(), gettid(), 32);
	ck_assert_int_eq(thread_start(run), 0);
	ck_assert_int_eq(sem_wait(&finished), 0);
	kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	ck_assert(mask & wake);
}
END_TEST

UNIT_SUITE(thread, thread_keeps_to_itself, thread_is_seen_to_be_gone,
	   signal_that_wakes_our_thread_stays_blocked_while_it_starts_another)
