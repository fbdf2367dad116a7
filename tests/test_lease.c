/* SPDX-License-Identifier: BSD-2-Clause */
/* The dead-man switch: what it takes back, when, and what a forked child has of it. */
#include "inject/lease.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/setting.h"
#include "host/real.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/hand.h"
#include "inject/reset.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

/* Turns of the loop until the lease has expired and all is taken back. */
static void run_out(void)
{
	while (lease_next_ns() != CLOCK_NEVER || reset_is_running()) {
		struct slice slice = UNIT_NO_TIME;

		lease_run();
		sched_run(0);
		job_run(&slice);
	}
}

START_TEST(expired_lease_takes_everything_back_and_is_off)
{
	struct unit_job busy;

	recorder_expect("mt.mem_alloc 100 k", "");
	recorder_call("mt.mem_test_start 10 10 100 1 1 1h");
	bulk_alloc(unit_job(&busy), 1, 1, 1 << 30);
	recorder_expect("mt.lease 1", "");
	run_out();
	ck_assert(busy.done);
	ck_assert(busy.job.cancelled);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(sched_count().running, 0);
	ck_assert_uint_eq(sched_count().stopped, 1);
	ck_assert_uint_eq(lease_left_ms(), 0);
	recorder_expect("mt.mem_alloc 100", "");
	lease_run();
	ck_assert_uint_eq(budget_used(), 100);
}
END_TEST

START_TEST(lease_of_the_setting_begins_again_with_what_is_held_after_its_end)
{
	recorder_expect("cfg.set_now_int malloc_test lease_ms 1", "");
	run_out();
	ck_assert(lease_has_expired());
	recorder_expect_beginning("mt.mem_rnd_alloc 5 1 10", "400");
	lease_run();
	ck_assert_uint_eq(lease_left_ms(), 0);
	recorder_expect("mt.mem_alloc 100", "");
	lease_run();
	ck_assert_uint_gt(lease_left_ms(), 0);
	run_out();
	ck_assert_uint_eq(budget_used(), 0);
	recorder_expect("mt.lease 0", "");
	recorder_expect("mt.mem_alloc 100", "");
	lease_run();
	ck_assert_uint_eq(lease_left_ms(), 0);
}
END_TEST

START_TEST(renewed_lease_takes_nothing)
{
	uint64_t first;

	unit_hold(100);
	recorder_expect("mt.lease 1h", "");
	first = lease_next_ns();
	ck_assert_uint_le(lease_left_ms(), 3600000);
	ck_assert_uint_gt(lease_left_ms(), 3000000);
	recorder_expect("mt.lease 2h", "");
	ck_assert_uint_gt(lease_next_ns(), first);
	lease_run();
	ck_assert(!reset_is_running());
	recorder_expect("mt.lease 0", "");
	ck_assert_uint_eq(lease_next_ns(), CLOCK_NEVER);
	lease_run();
	ck_assert_uint_eq(budget_used(), 100);
}
END_TEST

START_TEST(renewal_that_is_read_a_turn_late_counts)
{
	unit_hold(100);
	lease_renew(1);
	while (clock_ns() < lease_next_ns())
		continue;
	lease_run();
	lease_run(); /* meanwhile a connection is accepted, and then read */
	lease_renew(3600000);
	lease_run();
	lease_run();
	lease_run();
	ck_assert(!reset_is_running());
	ck_assert_uint_gt(lease_left_ms(), 0);
}
END_TEST

START_TEST(lease_for_ever_is_a_lease)
{
	recorder_expect("mt.lease 18446744073709551615", "");
	ck_assert_uint_ne(lease_next_ns(), CLOCK_NEVER);
	ck_assert_uint_gt(lease_left_ms(), 0);
	lease_run();
	ck_assert(!reset_is_running());
	recorder_expect_beginning("mt.lease -1", "400 ");
	recorder_expect_beginning("mt.lease", "400 ");
	ck_assert_uint_ne(lease_next_ns(), CLOCK_NEVER);
}
END_TEST

START_TEST(setting_begins_renews_and_ends_the_lease)
{
	recorder_expect("cfg.set_now_int malloc_test lease_ms 3600000", "");
	ck_assert_uint_gt(lease_left_ms(), 3000000);
	setting_start(); /* our thread has been away: what there is goes on */
	lease_renew(7200000);
	setting_start();
	ck_assert_uint_gt(lease_left_ms(), 3600000);
	recorder_expect("cfg.set_now_int malloc_test lease_ms 3600000", "");
	ck_assert_uint_le(lease_left_ms(), 3600000);
	recorder_expect("cfg.set_now_int malloc_test lease_ms 0", "");
	ck_assert_uint_eq(lease_left_ms(), 0);
}
END_TEST

START_TEST(status_shows_what_is_left)
{
	const char *said = recorder_call("mt.status");

	ck_assert_ptr_nonnull(strstr(said, " lease_ms_left=0"));
	lease_renew(3600000);
	said = recorder_call("mt.status");
	ck_assert_ptr_nonnull(strstr(said, " lease_ms_left=3"));
}
END_TEST

START_TEST(what_comes_during_a_reset_is_taken_back_after_it)
{
	struct slice slice = UNIT_NO_TIME;

	for (int i = 0; i < 10; i++)
		unit_hold(2000);
	reset_start();
	for (int i = 0; i < 5; i++)
		job_run(&slice);
	ck_assert(reset_is_running());
	ck_assert_int_eq(hand_alloc(500), 0);
	reset_start();
	while (reset_is_running())
		job_run(&slice);
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

static void *refuse(size_t size)
{
	(void)size;
	return NULL;
}

START_TEST(nothing_is_allocated_to_take_back)
{
	void *(*allocator)(size_t) = real.malloc;

	unit_hold(100);
	unit_hold(1 << 20);
	real.malloc = refuse;
	lease_renew(1);
	run_out();
	real.malloc = allocator;
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

/* What fork does to it, without the thread. */
static int child_of(uint64_t setting_ms)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		atomic_store(&lease_ms, setting_ms);
		bulk_adopt();
		lease_begin();
		run_out();
		_exit(budget_used() != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(forked_child_has_its_parents_lease_or_one_of_its_own)
{
	unit_hold(1000);
	lease_renew(20);
	ck_assert_int_eq(child_of(0), 0);
	lease_renew(86400000); /* the child's own is shorter */
	ck_assert_int_eq(child_of(1), 0);
	ck_assert_uint_eq(budget_used(), 1000);
}
END_TEST

START_TEST(reset_that_fork_has_interrupted_goes_on_in_the_child)
{
	struct slice slice = UNIT_NO_TIME;

	for (int i = 0; i < 100; i++)
		unit_hold(1000);
	reset_start();
	job_run(&slice);
	ck_assert_uint_ne(budget_used(), 0);
	ck_assert_int_eq(child_of(0), 0);
	run_out();
	ck_assert_uint_eq(budget_used(), 0);
}
END_TEST

UNIT_SUITE(lease, expired_lease_takes_everything_back_and_is_off,
	   lease_of_the_setting_begins_again_with_what_is_held_after_its_end, renewed_lease_takes_nothing,
	   renewal_that_is_read_a_turn_late_counts, lease_for_ever_is_a_lease, setting_begins_renews_and_ends_the_lease,
	   status_shows_what_is_left, what_comes_during_a_reset_is_taken_back_after_it,
	   nothing_is_allocated_to_take_back, forked_child_has_its_parents_lease_or_one_of_its_own,
	   reset_that_fork_has_interrupted_goes_on_in_the_child)
