/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a thread still has what was noted, and what another one has. */
#include "control/rights.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit.h"

START_TEST(what_a_thread_alone_changes_is_seen)
{
	rights_note();
	ck_assert(rights_are_noted());
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	errno = 77;
	ck_assert(!rights_are_noted());
	ck_assert_int_eq(errno, 77);
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), 0);
	ck_assert(rights_are_noted());
}
END_TEST

START_TEST(nothing_is_as_noted_once_that_is_forgotten)
{
	rights_note();
	rights_forget();
	ck_assert(!rights_are_noted());
	rights_note();
	ck_assert(rights_are_noted());
}
END_TEST

static atomic_bool over;

static void *wait_until_over(void *tid)
{
	atomic_store((_Atomic pid_t *)tid, (pid_t)syscall(SYS_gettid));
	while (!atomic_load(&over))
		unit_moment();
	return NULL;
}

START_TEST(another_thread_with_other_rights_is_told_apart)
{
	_Atomic pid_t other = 0;
	pthread_t thread;

	atomic_store(&over, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_until_over, &other), 0);
	while (!atomic_load(&other))
		unit_moment();
	ck_assert(rights_are_those_of(atomic_load(&other)));
	if (geteuid() == 0) {
		ck_assert_int_eq(syscall(SYS_setresuid, 1000, 1000, 1000), 0);
		errno = 77;
		ck_assert(!rights_are_those_of(atomic_load(&other)));
		ck_assert_int_eq(errno, 77);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
}
END_TEST

UNIT_SUITE_TAGGED(rights, UNIT_GIVES_UP, what_a_thread_alone_changes_is_seen, nothing_is_as_noted_once_that_is_forgotten,
	   another_thread_with_other_rights_is_told_apart)
