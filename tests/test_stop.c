/* SPDX-License-Identifier: BSD-2-Clause */
/* The file STOP: what it refuses, what it takes back, and when it is watched for. */
#include "control/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/command.h"
#include "inject/budget.h"
#include "inject/hand.h"
#include "inject/reset.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

static char directory[UNIT_PATH_MAX], file[UNIT_PATH_MAX + 40], other[UNIT_PATH_MAX + 40];

static void begin(void)
{
	char socket[UNIT_PATH_MAX + 40];

	unit_directory(directory);
	snprintf(socket, sizeof(socket), "%s/mtpreload.1.sock", directory);
	snprintf(file, sizeof(file), "%s/" STOP_NAME, directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	stop_in_directory_of(socket);
}

static void end(void)
{
	stop_in_directory_of("");
	unit_remove(directory);
}

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* One turn of the loop, without clients. */
static void turn(void)
{
	struct pollfd p = { .fd = stop_fd(), .events = POLLIN };
	struct slice slice = UNIT_NO_TIME;

	sched_run(0);
	job_run(&slice);
	stop_run(p.fd >= 0 && poll(&p, 1, 0) == 1);
}

static void run_until_nothing_is_held(void)
{
	while (budget_used() || reset_is_running())
		turn();
	turn();
}

START_TEST(commands_that_inject_are_refused_while_it_exists)
{
	char expected[UNIT_PATH_MAX + 80];
	unsigned injecting = 0;

	begin();
	recorder_expect("mt.mem_alloc 10", "");
	recorder_expect("mt.reset", "10");
	make(file);
	snprintf(expected, sizeof(expected), "403 stopped by %s (remove it to go on)", file);
	recorder_expect("mt.mem_alloc 10", expected);
	recorder_expect("mt.mem_rnd_alloc 1 2 10", expected);
	recorder_expect("mt.mem_test_start 1 1 1 1h 1h 2h", expected);
	recorder_expect_beginning("mt.mem_alloc x", "400 ");
	recorder_expect("mt.mem_used", "0");
	recorder_expect("mt.lease 0", "");
	recorder_expect("mt.reset", "0");
	ck_assert_int_eq(unlink(file), 0);
	recorder_expect("mt.mem_alloc 10", "");
	for (unsigned i = 0; i < command_count; i++)
		injecting += (commands[i].flags & COMMAND_INJECTS) != 0;
	ck_assert_uint_ge(injecting, 3);
	end();
}
END_TEST

START_TEST(status_tells_its_path)
{
	char expected[UNIT_PATH_MAX + 80];

	begin();
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.status"), " stopped=''"));
	make(file);
	snprintf(expected, sizeof(expected), " stopped='%s'", file);
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.status"), expected));
	end();
}
END_TEST

/* Nothing is held: the watch goes on for a moment, and then not. */
static void turn_to_the_watchs_end(void)
{
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	ck_assert_uint_le(stop_next_ns(), clock_ns() + NS_PER_S);
	while (stop_next_ns() != CLOCK_NEVER)
		turn();
	ck_assert_int_eq(stop_fd(), -1);
}

START_TEST(directory_is_watched_while_something_is_held_and_a_moment_longer)
{
	char stop[40];

	begin();
	turn();
	ck_assert_int_eq(stop_fd(), -1);
	unit_hold(100);
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	ck_assert_uint_gt(stop_next_ns(), clock_ns() + 5 * NS_PER_S);
	recorder_call("mt.reset");
	turn_to_the_watchs_end();
	recorder_call("mt.mem_alloc 0"); /* it has a record */
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	recorder_call("mt.reset");
	snprintf(stop, sizeof(stop), "mt.mem_test_stop %s", recorder_call("mt.mem_test_start 1 1 1 1h 1h 2h"));
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	recorder_call(stop);
	turn();
	unit_hold(100); /* before the watch ends: it goes on */
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	while (stop_next_ns() < clock_ns() + 2 * NS_PER_S)
		turn();
	ck_assert_int_ge(stop_fd(), 0);
	recorder_call("mt.reset");
	turn_to_the_watchs_end();
	end();
}
END_TEST

static void link_nowhere(const char *path)
{
	ck_assert_int_eq(symlink("nowhere", path), 0);
}

static void move_there(const char *path)
{
	make(other);
	ck_assert_int_eq(rename(other, path), 0);
}

static void make_directory(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

START_TEST(everything_is_taken_back_when_it_appears)
{
	static void (*const ways[])(const char *) = { make, link_nowhere, move_there, make_directory };

	for (size_t i = 0; i < COUNT(ways); i++) {
		begin();
		for (int n = 0; n < 10; n++)
			unit_hold(10000);
		recorder_call("mt.mem_test_start 1 1 1 1 1 2h");
		turn();
		make(other); /* of no matter */
		turn();
		ck_assert(!reset_is_running());
		ck_assert_int_eq(unlink(other), 0);
		ways[i](file);
		run_until_nothing_is_held();
		ck_assert_uint_eq(sched_count().running, 0);
		turn_to_the_watchs_end();
		if (ways[i] == make_directory)
			ck_assert_int_eq(rmdir(file), 0);
		end();
	}
}
END_TEST

START_TEST(what_was_on_its_way_from_a_host_thread_is_taken_back_too)
{
	begin();
	unit_hold(100);
	turn();
	make(file);
	turn();
	ck_assert(reset_is_running());
	ck_assert_int_eq(hand_alloc(500), 0); /* had asked before; comes as the reset is over or not */
	run_until_nothing_is_held();
	ck_assert_int_eq(hand_alloc(500), 0);
	run_until_nothing_is_held();
	end();
}
END_TEST

START_TEST(one_that_came_unseen_is_seen_when_the_watch_begins)
{
	begin();
	make(file);
	unit_hold(100);
	run_until_nothing_is_held();
	end();
}
END_TEST

START_TEST(without_inotify_it_is_looked_up_every_second)
{
	struct rlimit limit, none;

	begin();
	unit_hold(100);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(stop_fd(), -1);
	ck_assert_uint_le(stop_next_ns(), clock_ns() + NS_PER_S);
	make(file);
	run_until_nothing_is_held();
	ck_assert_uint_eq(stop_next_ns(), CLOCK_NEVER);
	end();
}
END_TEST

START_TEST(directory_that_was_removed_and_made_again_is_looked_into)
{
	begin();
	unit_hold(100);
	turn();
	make(other);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	turn();
	ck_assert_int_eq(stop_fd(), -1);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	make(file);
	run_until_nothing_is_held();
	end();
}
END_TEST

START_TEST(directory_is_found_whatever_its_path_means_now)
{
	char moved[UNIT_PATH_MAX + 8], was[UNIT_PATH_MAX];

	begin();
	unit_hold(100);
	snprintf(moved, sizeof(moved), "%s.moved", directory);
	strcpy(was, directory);
	ck_assert_int_eq(rename(directory, moved), 0); /* as a change of the root would hide it */
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	snprintf(file, sizeof(file), "%s/" STOP_NAME, moved);
	make(file);
	run_until_nothing_is_held();
	ck_assert_int_eq(rename(moved, was), 0);
	end();
}
END_TEST

START_TEST(without_a_directory_there_is_none)
{
	stop_in_directory_of("@mtpreload.1");
	unit_hold(100);
	turn();
	ck_assert_int_eq(stop_fd(), -1);
	ck_assert_uint_eq(stop_next_ns(), CLOCK_NEVER);
	ck_assert_ptr_null(stop_in_force());
	ck_assert(!stop_refuses_host());
	ck_assert(!stop_wants_watch());
}
END_TEST

START_TEST(host_threads_are_refused_too)
{
	begin();
	ck_assert(!stop_refuses_host());
	make(file);
	ck_assert(stop_refuses_host()); /* nothing is watched */
	ck_assert_int_eq(unlink(file), 0);
	ck_assert(!stop_refuses_host());
	ck_assert_int_eq(hand_alloc(100), 0);
	ck_assert(stop_wants_watch());
	ck_assert(!stop_wants_watch()); /* our thread has been told */
	turn();
	ck_assert_int_ge(stop_fd(), 0);
	ck_assert(!stop_wants_watch());
	ck_assert(!stop_refuses_host());
	make(file);
	turn();
	ck_assert(stop_refuses_host());
	ck_assert_int_eq(unlink(file), 0);
	turn();
	ck_assert(!stop_refuses_host());
	run_until_nothing_is_held();
	end();
}
END_TEST

START_TEST(forked_child_begins_a_watch_of_its_own)
{
	int fd;

	begin();
	unit_hold(100);
	turn();
	fd = stop_fd();
	stop_forget();
	ck_assert_int_eq(stop_fd(), -1);
	ck_assert_int_eq(close(fd), 0); /* it was left alone */
	turn();
	ck_assert_uint_ne(stop_next_ns(), CLOCK_NEVER); /* until there is a socket, by its path */
	make(file);
	run_until_nothing_is_held();
	end();
}
END_TEST

UNIT_SUITE(stop, commands_that_inject_are_refused_while_it_exists, status_tells_its_path,
	   directory_is_watched_while_something_is_held_and_a_moment_longer, everything_is_taken_back_when_it_appears,
	   what_was_on_its_way_from_a_host_thread_is_taken_back_too,
	   one_that_came_unseen_is_seen_when_the_watch_begins,
	   without_inotify_it_is_looked_up_every_second,
	   directory_that_was_removed_and_made_again_is_looked_into,
	   directory_is_found_whatever_its_path_means_now, without_a_directory_there_is_none,
	   host_threads_are_refused_too, forked_child_begins_a_watch_of_its_own)
