/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's name appears when it can be connected to and goes with the process that made it. */
#include "control/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit.h"

static char directory[UNIT_PATH_MAX];

/* In the directory, or under the fixed name in it. */
static void begin(const char *fixed, bool forked)
{
	char path[UNIT_PATH_MAX + 40];

	unit_directory(directory);
	ck_assert_int_eq(setenv("MTPRELOAD_DIR", directory, 1), 0);
	snprintf(path, sizeof(path), "%s/%s", directory, fixed ? fixed : "");
	ck_assert_int_eq(setenv("MTPRELOAD_SOCKET", path, 1), 0);
	if (!fixed)
		ck_assert_int_eq(unsetenv("MTPRELOAD_SOCKET"), 0);
	socket_read_environment();
	ck_assert_int_eq(unsetenv("MTPRELOAD_DIR"), 0);
	ck_assert_int_eq(unsetenv("MTPRELOAD_SOCKET"), 0);
	socket_begin(forked);
}

static void check_path(const char *format, int pid)
{
	char name[80], path[UNIT_PATH_MAX + 80];

	snprintf(name, sizeof(name), format, pid);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	ck_assert_str_eq(socket_path(), path);
}

/* As at the end of a process. */
static void leave(bool prune)
{
	ck_assert(socket_leave(prune));
	ck_assert(!socket_has_left());
	socket_remove();
	ck_assert(socket_has_left());
}

static bool answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	strcpy(address.sun_path, path);
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return rc == 0;
}

START_TEST(socket_listens_under_our_pid_for_us_alone)
{
	struct stat st;
	int fd;

	begin(NULL, false);
	ck_assert_str_eq(socket_path(), "");
	fd = socket_open();
	ck_assert_int_ge(fd, 0);
	check_path("mtpreload.%d.sock", getpid());
	ck_assert_int_eq(stat(socket_path(), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert(answers(socket_path()));
	leave(true);
	close(fd);
	unit_remove(directory); /* fails where anything is left */
}
END_TEST

START_TEST(nothing_is_bound_once_the_process_ends)
{
	int fd;

	begin(NULL, false);
	fd = socket_open();
	ck_assert_int_ge(fd, 0);
	leave(false);
	ck_assert(!socket_leave(false));
	ck_assert_str_eq(socket_path(), "");
	ck_assert_int_eq(socket_open(), -ECANCELED);
	close(fd);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(name_that_was_withdrawn_may_be_bound_again)
{
	int fd;

	begin(NULL, false);
	for (int i = 0; i < 3; i++) {
		fd = socket_open();
		ck_assert_int_ge(fd, 0);
		ck_assert(answers(socket_path()));
		close(fd);
		socket_withdraw();
		ck_assert_str_eq(socket_path(), "");
	}
	ck_assert_int_eq(rmdir(directory), 0); /* nothing is left in it */
}
END_TEST

START_TEST(nothing_leaves_where_nothing_is_bound)
{
	begin(NULL, false);
	ck_assert(!socket_leave(false));
	ck_assert(socket_has_left());
	ck_assert_int_eq(socket_open(), -ECANCELED);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* Our thread was just about to end when the process began to. */
START_TEST(name_that_was_to_leave_is_withdrawn)
{
	int fd;

	begin(NULL, false);
	fd = socket_open();
	ck_assert(socket_leave(false));
	socket_withdraw();
	ck_assert(socket_has_left());
	close(fd);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(name_left_by_a_killed_process_of_our_pid_is_replaced)
{
	char hidden[UNIT_PATH_MAX + 80];
	int first, second;

	begin(NULL, false);
	first = socket_open();
	close(first); /* as if killed: the name stays and refuses */
	ck_assert(!answers(socket_path()));
	/* Another was killed between bind and rename, or is just there. */
	snprintf(hidden, sizeof(hidden), "%s/.%s", directory, strrchr(socket_path(), '/') + 1);
	ck_assert_int_eq(link(socket_path(), hidden), 0);
	socket_begin(false);
	second = socket_open();
	ck_assert_int_ge(second, 0);
	check_path("mtpreload.%d.sock", getpid());
	ck_assert(answers(socket_path()));
	leave(true);
	close(second);
	ck_assert_int_eq(unlink(hidden), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(name_that_was_removed_is_missed)
{
	char path[UNIT_PATH_MAX + 80];
	int fd, other;

	begin(NULL, false);
	for (int way = 0; way < 3; way++) {
		fd = socket_open();
		ck_assert_int_ge(fd, 0);
		strcpy(path, socket_path());
		ck_assert(!socket_is_lost());
		ck_assert_int_eq(unlink(path), 0);
		if (way == 1)
			ck_assert_int_eq(rmdir(directory), 0);
		other = way == 2 ? open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1; /* not ours */
		socket_told();
		ck_assert(socket_is_lost());
		ck_assert_str_eq(socket_path(), "");
		ck_assert(!socket_is_lost());
		close(fd);
		if (other >= 0)
			close(other);
	}
	fd = socket_open();
	check_path("mtpreload.%d.2.sock", getpid());
	leave(false);
	ck_assert_int_eq(unlink(path), 0); /* still there */
	close(fd);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(name_that_is_another_ones_by_now_stays)
{
	char path[UNIT_PATH_MAX + 80];
	int fd, other;

	begin(NULL, false);
	fd = socket_open();
	strcpy(path, socket_path());
	ck_assert_int_eq(unlink(path), 0);
	other = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	socket_withdraw();
	ck_assert_int_eq(unlink(path), 0);
	close(other);
	close(fd);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(fixed_name_has_the_pid_where_it_says_so)
{
	static const struct {
		const char *fixed;
		bool forked;
		const char *expected;
	} cases[] = {
		{ "app-%p.ctl", false, "app-%d.ctl" },
		{ "app-%p.ctl", true, "app-%d.ctl" },
		{ "app", true, "app.%d" },
		{ "app", false, "app" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char expected[40], path[UNIT_PATH_MAX + 40];
		int fd;

		begin(cases[i].fixed, cases[i].forked);
		fd = socket_open();
		ck_assert_int_ge(fd, 0);
		snprintf(path, sizeof(path), "%s", strrchr(socket_path(), '/') + 1);
		if (strchr(cases[i].expected, '%'))
			snprintf(expected, sizeof(expected), "%.*s%d%s",
				 (int)strcspn(cases[i].expected, "%"), cases[i].expected, getpid(),
				 strchr(cases[i].expected, '%') + 2);
		else
			snprintf(expected, sizeof(expected), "%s", cases[i].expected);
		ck_assert_str_eq(path, expected);
		leave(true);
		close(fd);
		ck_assert_int_eq(rmdir(directory), 0);
	}
}
END_TEST

START_TEST(fixed_name_that_is_taken_is_left_to_its_owner)
{
	char theirs[UNIT_PATH_MAX + 80];
	int first, second;

	begin("app", false);
	first = socket_open();
	strcpy(theirs, socket_path());
	socket_begin(false); /* as another process with the same environment would */
	second = socket_open();
	ck_assert_int_ge(second, 0);
	check_path("app.%d", getpid());
	ck_assert(answers(theirs));
	leave(true);
	ck_assert(answers(theirs));
	close(first);
	close(second);
	unit_remove(directory);
}
END_TEST

/* The tests of fixed names come last: what was read from the environment stays in the process. */
UNIT_SUITE(socket, socket_listens_under_our_pid_for_us_alone, nothing_is_bound_once_the_process_ends,
	   name_that_was_withdrawn_may_be_bound_again, name_that_was_to_leave_is_withdrawn, nothing_leaves_where_nothing_is_bound,
	   name_left_by_a_killed_process_of_our_pid_is_replaced, name_that_was_removed_is_missed,
	   name_that_is_another_ones_by_now_stays,
	   fixed_name_has_the_pid_where_it_says_so, fixed_name_that_is_taken_is_left_to_its_owner)
