/* SPDX-License-Identifier: BSD-2-Clause */
/* One way to wait, which ends at its time, for a descriptor, and when the thread is woken; and neither for signals of
   the host nor for a full queue. */
#include "control/sleep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/thread.h"
#include "tests/unit.h"

static struct sleeper sleeper;
static sem_t asleep, finished;
static uint64_t until_ns;
static int ends[2];
static short events;
static atomic_uint sleeps;

#define ROUNDS 10000

static void begin(void)
{
	ck_assert_int_eq(sem_init(&asleep, 0, 0), 0);
	ck_assert_int_eq(sem_init(&finished, 0, 0), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	sleep_forget(&sleeper);
	sleep_handle_signal();
	until_ns = CLOCK_NEVER;
	atomic_store(&sleeps, 0);
}

static void end(void)
{
	pid_t tid = atomic_load(&sleeper.tid);

	ck_assert_int_eq(sem_wait(&finished), 0);
	while (!thread_is_gone(tid))
		unit_moment();
	sleep_end(&sleeper);
	close(ends[0]);
	close(ends[1]);
}

static void *rest(void *unused)
{
	sleep_rest(&sleeper, until_ns);
	sem_post(&finished);
	return unused;
}

/* Until its socket says something. */
static void *wait_for_socket(void *unused)
{
	sleep_rest(&sleeper, 0);
	sleep_begin(&sleeper);
	sem_post(&asleep);
	do {
		sleep_clear(&sleeper);
		sleep_add(&sleeper, ends[0], events);
		atomic_fetch_add(&sleeps, 1);
		sleep_until(&sleeper, until_ns);
	} while (!sleeper.polled[0].revents && until_ns == CLOCK_NEVER);
	sem_post(&finished);
	return unused;
}

/* Until it is woken. */
static void *wait_once(void *unused)
{
	sleep_rest(&sleeper, 0);
	sleep_begin(&sleeper);
	sem_post(&asleep);
	sleep_clear(&sleeper);
	sleep_until(&sleeper, until_ns);
	sem_post(&finished);
	return unused;
}

/* Of ppoll on the machine that qemu-user runs on: the kernel tells this one, there. */
#define UNDER_QEMU_USER 271

/* Is the thread in the system call that it sleeps in? */
static void wait_asleep(void)
{
	char path[64], state[512];
	long number = -1;

	while (sem_wait(&asleep))
		continue;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)atomic_load(&sleeper.tid));
	while (number != SYS_ppoll && number != UNDER_QEMU_USER) {
		FILE *f = fopen(path, "r");

		number = f && fgets(state, sizeof(state), f) ? strtol(state, NULL, 10) : -1;
		if (f)
			fclose(f);
		unit_moment();
	}
}

/* The thread that waits for such events at its socket sleeps. */
static void fall_asleep(short wanted)
{
	events = wanted;
	ck_assert_int_eq(thread_start(wait_for_socket), 0);
	wait_asleep();
}

START_TEST(rest_ends_at_its_time_and_when_it_is_woken)
{
	begin();
	until_ns = clock_ns() + 5 * NS_PER_MS;
	ck_assert_int_eq(thread_start(rest), 0);
	ck_assert_int_eq(sem_wait(&finished), 0);
	ck_assert_uint_ge(clock_ns(), until_ns);

	sleep_forget(&sleeper);
	until_ns = CLOCK_NEVER - 1;
	ck_assert_int_eq(thread_start(rest), 0);
	while (!atomic_load(&sleeper.tid))
		unit_moment();
	ck_assert_int_lt(sem_trywait(&finished), 0);
	sleep_wake(&sleeper);
	end();
}
END_TEST

START_TEST(rest_of_one_woken_before_it_began_is_over_at_once)
{
	begin();
	until_ns = CLOCK_NEVER - 1;
	sleep_wake(&sleeper);
	ck_assert_int_eq(thread_start(rest), 0);
	end();
}
END_TEST

START_TEST(sleep_ends_at_its_time)
{
	begin();
	until_ns = clock_ns() + 20 * NS_PER_MS;
	events = POLLIN;
	ck_assert_int_eq(thread_start(wait_for_socket), 0);
	end();
	ck_assert_uint_ge(clock_ns(), until_ns);
}
END_TEST

START_TEST(sleep_ends_for_what_comes)
{
	begin();
	fall_asleep(POLLIN);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
	ck_assert_int_eq(sleeper.polled[0].revents, POLLIN);
}
END_TEST

START_TEST(sleep_ends_when_the_other_side_hangs_up)
{
	begin();
	fall_asleep(0);
	ck_assert_int_eq(shutdown(ends[1], SHUT_RDWR), 0);
	end();
	ck_assert(sleeper.polled[0].revents & POLLHUP);
}
END_TEST

static char bytes[1 << 16];

/* Sends more than there is room for, to the end. */
static void *send_much(void *unused)
{
	ssize_t sent = 0, total = 0;

	sleep_rest(&sleeper, 0);
	sleep_begin(&sleeper);
	sem_post(&asleep);
	while (total < 1 << 22) {
		sent = write(ends[0], bytes, sizeof(bytes));
		if (sent > 0) {
			total += sent;
			continue;
		}
		sleep_clear(&sleeper);
		sleep_add(&sleeper, ends[0], POLLOUT);
		sleep_until(&sleeper, CLOCK_NEVER);
	}
	close(ends[0]);
	sem_post(&finished);
	return unused;
}

START_TEST(sleep_ends_when_there_is_room_to_send_again)
{
	static char received[sizeof(bytes)];
	ssize_t got, total = 0;

	begin();
	ck_assert_int_eq(thread_start(send_much), 0);
	wait_asleep();
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
	while ((got = read(ends[1], received, sizeof(received))) > 0)
		total += got;
	ck_assert_int_ge(total, 1 << 22);
	end();
}
END_TEST

START_TEST(sleeper_is_woken_without_a_descriptor)
{
	int before, after;

	begin();
	before = dup(0);
	ck_assert_int_eq(thread_start(wait_once), 0);
	wait_asleep();
	sleep_wake(&sleeper);
	after = dup(0);
	ck_assert_int_eq(after, before + 1);
	close(before);
	close(after);
	end();
}
END_TEST

static void limit_signals(rlim_t count)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
	limit.rlim_cur = count;
	ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
}

/* Its place was taken while there was room. */
START_TEST(sleeper_is_woken_though_the_queue_has_become_full)
{
	begin();
	ck_assert_int_eq(thread_start(wait_once), 0);
	wait_asleep();
	ck_assert(!atomic_load(&sleeper.looks));
	limit_signals(0);
	sleep_wake(&sleeper);
	end();
}
END_TEST

START_TEST(sleep_ends_for_what_comes_though_the_queue_has_become_full)
{
	begin();
	fall_asleep(POLLIN);
	limit_signals(0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
	ck_assert_int_eq(sleeper.polled[0].revents, POLLIN);
	ck_assert(!atomic_load(&sleeper.looks));
}
END_TEST

START_TEST(it_looks_no_more_once_the_queue_has_room)
{
	begin();
	limit_signals(0);
	fall_asleep(POLLIN);
	limit_signals(100);
	while (atomic_load(&sleeper.looks))
		unit_moment();
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
}
END_TEST

/* The kernel's sigaction. */
struct action {
	void (*handler)(int number);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static struct action action_of_signal(const struct action *set)
{
	struct action before = { 0 };

	ck_assert_int_eq(kernel_syscall(SYS_rt_sigaction, 32, set, &before, sizeof(before.mask)), 0);
	return before;
}

/* posix_spawn leaves it so. */
START_TEST(sleeper_is_woken_where_its_signal_was_ignored)
{
	static const struct action ignore = { .handler = SIG_IGN };

	action_of_signal(&ignore);
	begin();
	ck_assert_int_eq(thread_start(wait_once), 0);
	wait_asleep();
	sleep_wake(&sleeper);
	end();
}
END_TEST

static void handle_theirs(int number)
{
	(void)number;
}

#define NO_MORE UINT_MAX
static atomic_uint round_begun, round_done;

/* As another thread's first pthread_cancel. */
static void *set_theirs(void *theirs)
{
	for (unsigned round = 1; ; round++) {
		unsigned begun;

		while ((begun = atomic_load(&round_begun)) != round) {
			if (begun == NO_MORE)
				return NULL;
			sched_yield(); /* a sleep would begin each round long after the other */
		}
		action_of_signal(theirs);
		atomic_store(&round_done, round);
	}
}

START_TEST(handler_that_the_c_library_sets_meanwhile_stays)
{
	static const struct action none;
	struct action theirs = { .handler = handle_theirs };
	uint64_t end_ns = clock_ns() + 2 * NS_PER_S; /* each round may cost a turn of all that runs beside it */
	pthread_t other;

	ck_assert_int_eq(pthread_create(&other, NULL, set_theirs, &theirs), 0);
	for (unsigned round = 1; round <= ROUNDS && clock_ns() < end_ns; round++) {
		action_of_signal(&none);
		atomic_store(&round_begun, round);
		sleep_handle_signal();
		while (atomic_load(&round_done) != round)
			sched_yield();
		ck_assert(action_of_signal(NULL).handler == handle_theirs);
	}
	atomic_store(&round_begun, NO_MORE);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
}
END_TEST

static void *rest_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

START_TEST(sleeper_is_woken_by_the_handler_of_the_c_library_which_stays)
{
	pthread_t cancelled;
	struct action theirs;

	begin();
	ck_assert_int_eq(pthread_create(&cancelled, NULL, rest_for_ever, NULL), 0);
	ck_assert_int_eq(pthread_cancel(cancelled), 0);
	ck_assert_int_eq(pthread_join(cancelled, NULL), 0);
	theirs = action_of_signal(NULL);
	sleep_handle_signal();
	ck_assert(action_of_signal(NULL).handler == theirs.handler);
	ck_assert_int_eq(thread_start(wait_once), 0);
	wait_asleep();
	sleep_wake(&sleeper);
	end();
	ck_assert(sleep_noticed()); /* it does not tell of what */
}
END_TEST

START_TEST(sleeper_takes_signals_while_there_is_room)
{
	begin();
	ck_assert(sleep_takes_signals(&sleeper)); /* nobody yet */
	fall_asleep(POLLIN);
	ck_assert(sleep_takes_signals(&sleeper));
	limit_signals(0);
	errno = 77;
	ck_assert(!sleep_takes_signals(&sleeper));
	ck_assert_int_eq(errno, 77);
	limit_signals(100);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
}
END_TEST

/* It wakes by our own signal, which else tells of nothing. */
START_TEST(what_another_thread_notices_is_noticed_by_one_that_sleeps_and_by_one_that_does_not)
{
	begin();
	fall_asleep(POLLIN);
	ck_assert(!sleep_noticed());
	sleep_notice(&sleeper);
	while (atomic_load(&sleeps) < 2)
		unit_moment();
	ck_assert(sleep_noticed());
	sleep_wake(&sleeper);
	while (atomic_load(&sleeps) < 3)
		unit_moment();
	ck_assert(!sleep_noticed());
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
	sleep_notice(&sleeper);
	ck_assert(sleep_noticed());
}
END_TEST

START_TEST(where_the_queue_is_full_it_looks_again_and_again)
{
	begin();
	limit_signals(0);
	fall_asleep(POLLIN);
	while (atomic_load(&sleeps) < 3)
		unit_moment();
	ck_assert(atomic_load(&sleeper.looks));
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
	ck_assert_int_eq(sleeper.polled[0].revents, POLLIN);
}
END_TEST

START_TEST(signals_of_the_process_do_not_end_a_sleep)
{
	begin();
	signal(SIGUSR1, SIG_IGN);
	fall_asleep(POLLIN);
	for (int i = 0; i < 1000; i++)
		kill(getpid(), SIGUSR1);
	ck_assert_uint_eq(atomic_load(&sleeps), 1);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	end();
	ck_assert_uint_eq(atomic_load(&sleeps), 1);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

/* poll refuses more descriptors than the limit allows, open or not. */
START_TEST(what_comes_is_seen_beyond_the_limit_of_descriptors)
{
	struct rlimit limit, low;

	begin();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){ 0, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	events = POLLIN;
	ck_assert_int_eq(thread_start(wait_for_socket), 0);
	while (sem_wait(&asleep))
		continue;
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(sem_wait(&finished), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	sem_post(&finished);
	end();
	ck_assert_int_eq(sleeper.polled[0].revents, POLLIN);
}
END_TEST

UNIT_SUITE_TAGGED(sleep, UNIT_GIVES_UP, rest_ends_at_its_time_and_when_it_is_woken,
	   rest_of_one_woken_before_it_began_is_over_at_once,
	   sleep_ends_at_its_time, sleep_ends_for_what_comes, sleep_ends_when_the_other_side_hangs_up,
	   sleep_ends_when_there_is_room_to_send_again, sleeper_is_woken_without_a_descriptor,
	   sleeper_is_woken_though_the_queue_has_become_full, where_the_queue_is_full_it_looks_again_and_again,
	   sleep_ends_for_what_comes_though_the_queue_has_become_full, it_looks_no_more_once_the_queue_has_room,
	   sleeper_is_woken_where_its_signal_was_ignored, handler_that_the_c_library_sets_meanwhile_stays,
	   sleeper_is_woken_by_the_handler_of_the_c_library_which_stays,
	   sleeper_takes_signals_while_there_is_room,
	   what_another_thread_notices_is_noticed_by_one_that_sleeps_and_by_one_that_does_not,
	   signals_of_the_process_do_not_end_a_sleep, what_comes_is_seen_beyond_the_limit_of_descriptors)
