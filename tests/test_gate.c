/* SPDX-License-Identifier: BSD-2-Clause */
/* Slices end with their time or when somebody waits at the gate, and the gate lets one in. */
#include "inject/gate.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "tests/unit.h"

START_TEST(slice_that_is_over_stays_over)
{
	struct slice none = UNIT_NO_TIME, past = { .until_ns = 1 };
	unsigned steps = 0;

	ck_assert(slice_over(&none, 0));
	ck_assert(slice_over(&none, 0));
	while (!slice_over(&past, 0)) /* the clock is read only now and then */
		ck_assert_uint_lt(++steps, 1000);
	ck_assert(slice_over(&past, 0));
}
END_TEST

START_TEST(slice_with_time_left_goes_on)
{
	struct slice much = UNIT_MUCH_TIME;

	for (int i = 0; i < 10000; i++)
		ck_assert(!slice_over(&much, 4096));
}
END_TEST

START_TEST(many_bytes_in_one_step_read_the_clock_at_once)
{
	struct slice past = { .until_ns = 1 };

	ck_assert(slice_over(&past, 1 << 20));
}
END_TEST

START_TEST(slice_begins_now)
{
	uint64_t before = clock_ns();
	struct slice s = slice_of(5 * NS_PER_S);

	ck_assert_uint_ge(s.until_ns, before + 5 * NS_PER_S);
	ck_assert_uint_le(s.until_ns, clock_ns() + 5 * NS_PER_S);
}
END_TEST

static unsigned shared;

static void *host_thread(void *rounds)
{
	for (unsigned i = 0; i < *(unsigned *)rounds; i++) {
		gate_enter();
		shared++;
		gate_leave();
	}
	return NULL;
}

START_TEST(one_at_a_time_is_inside)
{
	pthread_t threads[4];
	unsigned rounds = 20000;

	shared = 0;
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, host_thread, &rounds), 0);
	for (unsigned i = 0; i < rounds; i++) {
		gate_enter_last();
		shared++;
		gate_leave();
	}
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(shared, (COUNT(threads) + 1) * rounds);
}
END_TEST

/* Ends only if a waiting thread ends the slice, and then only if that thread gets in. */
START_TEST(waiting_thread_ends_the_slice_and_gets_in_next)
{
	struct slice much = UNIT_MUCH_TIME;
	pthread_t thread;
	unsigned once = 1;

	shared = 0;
	gate_enter_last();
	ck_assert_int_eq(pthread_create(&thread, NULL, host_thread, &once), 0);
	while (!slice_over(&much, 0))
		continue;
	ck_assert_uint_eq(shared, 0);
	gate_leave();
	pthread_join(thread, NULL);
	ck_assert_uint_eq(shared, 1);
	gate_enter_last();
	much = UNIT_MUCH_TIME;
	ck_assert(!slice_over(&much, 0));
	gate_leave();
}
END_TEST

START_TEST(reset_opens_the_gate_in_a_child)
{
	struct slice much = UNIT_MUCH_TIME;

	gate_enter_to_fork();
	gate_reset();
	gate_enter();
	gate_leave();
	ck_assert(!slice_over(&much, 0));
}
END_TEST

static volatile sig_atomic_t handled;

/* As the C library does around a fork. */
static void fork_with_handlers(void)
{
	pid_t pid;

	gate_enter_to_fork();
	pid = fork();
	if (pid == 0) {
		gate_reset();
		gate_enter();
		gate_leave();
		_exit(0);
	}
	gate_leave_after_fork();
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void on_signal(int number)
{
	(void)number;
	ck_assert(!gate_is_inside);
	fork_with_handlers();
	handled = 1;
}

/* It would wait for its own thread. */
START_TEST(handler_that_forks_comes_once_its_thread_has_left)
{
	sigset_t before, after;

	signal(SIGUSR1, on_signal);
	sigprocmask(SIG_BLOCK, NULL, &before);
	handled = 0;
	gate_enter();
	raise(SIGUSR1);
	ck_assert(!handled);
	ck_assert(gate_step_out());
	ck_assert(handled);
	handled = 0;
	gate_step_in(true);
	raise(SIGUSR1);
	ck_assert(!handled);
	gate_leave();
	ck_assert(handled);
	sigprocmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(memcmp(&before, &after, KERNEL_SIGSET_BYTES), 0);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(fork_in_a_handler_in_the_midst_of_a_fork_takes_nothing_twice)
{
	gate_enter_to_fork();
	fork_with_handlers();
	ck_assert(gate_is_inside);
	gate_leave_after_fork();
	ck_assert(!gate_is_inside);
	gate_enter();
	gate_leave();
}
END_TEST

UNIT_SUITE(gate, handler_that_forks_comes_once_its_thread_has_left, fork_in_a_handler_in_the_midst_of_a_fork_takes_nothing_twice, slice_that_is_over_stays_over, slice_with_time_left_goes_on,
	   many_bytes_in_one_step_read_the_clock_at_once, slice_begins_now, one_at_a_time_is_inside,
	   waiting_thread_ends_the_slice_and_gets_in_next, reset_opens_the_gate_in_a_child)
