/* SPDX-License-Identifier: BSD-2-Clause */
/* The names in an open directory: which are dead, who may remove them, how each is reached. */
#include "base/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kernel.h"
#include "tests/unit.h"

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

/* Binds `name` there; the socket listens until its descriptor is closed, then refuses. */
static int make_socket(const char *dir, int dir_fd, const char *name)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(rundir_address(dir, dir_fd, name, &address), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static bool exists(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(prune_removes_what_is_dead_and_keeps_what_lives)
{
	char top[UNIT_PATH_MAX], gone[RUNDIR_NAME_MAX], alive[RUNDIR_NAME_MAX];
	char mine[RUNDIR_NAME_MAX], binding[RUNDIR_NAME_MAX + 1];
	int dir_fd, live_fd;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rundir_name(dead_pid(), 1, gone);
	rundir_name(dead_pid(), 1, alive); /* the pid of another namespace is unknown here too */
	rundir_name(getpid(), 1, mine);
	snprintf(binding, sizeof(binding), ".%s", gone);
	close(make_socket(top, dir_fd, gone));
	close(make_socket(top, dir_fd, mine));
	close(make_socket(top, dir_fd, binding));
	close(make_socket(top, dir_fd, "other.sock"));
	live_fd = make_socket(top, dir_fd, alive);

	ck_assert_int_eq(rundir_prune(top, dir_fd), 1);
	ck_assert(!exists(dir_fd, gone));
	ck_assert(exists(dir_fd, alive));
	ck_assert(exists(dir_fd, mine));
	ck_assert(exists(dir_fd, binding)); /* it may be listening the next moment */
	ck_assert(exists(dir_fd, "other.sock"));
	close(live_fd);
	ck_assert_int_eq(rundir_prune(top, dir_fd), 1);
	ck_assert(!exists(dir_fd, alive));
	close(dir_fd);
	unit_remove(top);
}
END_TEST

START_TEST(prune_looks_at_so_many_names_at_a_time)
{
	char top[UNIT_PATH_MAX], name[RUNDIR_NAME_MAX];
	pid_t pid = dead_pid();
	int dir_fd;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned nth = 1; nth <= RUNDIR_PRUNED_MAX + 10; nth++) {
		rundir_name(pid, nth, name);
		close(make_socket(top, dir_fd, name));
	}
	ck_assert_int_eq(rundir_prune(top, dir_fd), RUNDIR_PRUNED_MAX);
	ck_assert_int_eq(rundir_prune(top, dir_fd), 10);
	close(dir_fd);
	unit_remove(top);
}
END_TEST

START_TEST(move_never_replaces)
{
	char top[UNIT_PATH_MAX];
	struct stat before, after;
	int dir_fd;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(make_socket(top, dir_fd, "a"));
	close(make_socket(top, dir_fd, "b"));
	ck_assert_int_eq(fstatat(dir_fd, "a", &before, 0), 0);
	ck_assert_int_eq(rundir_move(dir_fd, "a", "b"), -EEXIST);
	ck_assert_int_eq(rundir_move(dir_fd, "a", "c"), 0);
	ck_assert_int_eq(rundir_move(dir_fd, "a", "d"), -ENOENT);
	ck_assert_int_eq(fstatat(dir_fd, "c", &after, 0), 0);
	ck_assert(before.st_ino == after.st_ino && !exists(dir_fd, "a") && exists(dir_fd, "b"));
	close(dir_fd);
	unit_remove(top);
}
END_TEST

START_TEST(only_the_name_of_a_dead_socket_is_removed)
{
	char top[UNIT_PATH_MAX];
	int dir_fd, live_fd;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(make_socket(top, dir_fd, "dead"));
	live_fd = make_socket(top, dir_fd, "live");
	close(openat(dir_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert_int_eq(mkdirat(dir_fd, "dir", 0700), 0);
	ck_assert(rundir_remove_dead(top, dir_fd, "dead"));
	ck_assert(!rundir_remove_dead(top, dir_fd, "live"));
	ck_assert(!rundir_remove_dead(top, dir_fd, "file"));
	ck_assert(!rundir_remove_dead(top, dir_fd, "dir"));
	ck_assert(rundir_remove_dead(top, dir_fd, "none"));
	ck_assert(!exists(dir_fd, "dead") && exists(dir_fd, "live") && exists(dir_fd, "file") && exists(dir_fd, "dir"));
	ck_assert_int_eq(unlinkat(dir_fd, "dir", AT_REMOVEDIR), 0);
	close(live_fd);
	close(dir_fd);
	unit_remove(top);
}
END_TEST

/* As where a user exchanges a link in the middle of a path that root has opened. */
START_TEST(name_is_dialled_in_the_open_directory_wherever_its_path_leads)
{
	char top[UNIT_PATH_MAX], other[UNIT_PATH_MAX];
	int dir_fd, other_fd, live;

	unit_directory(top);
	unit_directory(other);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other_fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	live = make_socket(top, dir_fd, "name");
	close(make_socket(other, other_fd, "name"));
	ck_assert(!rundir_remove_dead(other, dir_fd, "name"));
	ck_assert(exists(dir_fd, "name"));
	close(live);
	ck_assert(rundir_remove_dead(other, dir_fd, "name"));
	ck_assert(!exists(dir_fd, "name"));
	close(dir_fd);
	close(other_fd);
	unit_remove(top);
	unit_remove(other);
}
END_TEST

#define EXCHANGE 2u /* RENAME_EXCHANGE */
#define REMOVALS 20000

static void exchange_for_ever(int dir_fd, pid_t parent)
{
	while (getppid() == parent)
		kernel_renameat2(dir_fd, "name", dir_fd, "link", EXCHANGE);
	_exit(0);
}

/* As where a user leads root to a socket of root's. */
START_TEST(link_that_takes_a_dead_name_s_place_is_not_followed)
{
	char top[UNIT_PATH_MAX], other[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8];
	int dir_fd, other_fd, live;
	const pid_t parent = getpid();
	struct stat left;
	pid_t child;

	unit_directory(top);
	unit_directory(other);
	snprintf(path, sizeof(path), "%s/live", other);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other_fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	live = make_socket(other, other_fd, "live");
	close(make_socket(top, dir_fd, "name"));
	ck_assert_int_eq(symlinkat(path, dir_fd, "link"), 0);
	child = fork();
	if (child == 0)
		exchange_for_ever(dir_fd, parent);
	for (int i = 0; i < REMOVALS; i++) {
		if (!rundir_remove_dead(top, dir_fd, "name"))
			continue;
		ck_assert_int_eq(fstatat(dir_fd, "link", &left, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISLNK(left.st_mode))
			close(make_socket(top, dir_fd, "name"));
		else /* it took the name right before the removal, and lay in its maker's directory */
			ck_assert_int_eq(symlinkat(path, dir_fd, "name"), 0);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(fcntl(live, F_SETFL, O_NONBLOCK), 0);
	ck_assert_msg(accept(live, NULL, NULL) < 0, "the link was followed");
	close(live);
	close(other_fd);
	close(dir_fd);
	unit_remove(top);
	unit_remove(other);
}
END_TEST

START_TEST(names_are_left_alone_while_somebody_else_removes_some)
{
	char top[UNIT_PATH_MAX];
	int dir_fd, other;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(make_socket(top, dir_fd, "dead"));
	ck_assert_int_eq(flock(other, LOCK_EX), 0);
	ck_assert(!rundir_remove_dead(top, dir_fd, "dead"));
	ck_assert(exists(dir_fd, "dead"));
	ck_assert_int_eq(flock(other, LOCK_UN), 0);
	ck_assert(rundir_remove_dead(top, dir_fd, "dead"));
	ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0); /* it is given back */
	close(other);
	close(dir_fd);
	unit_remove(top);
}
END_TEST

struct seen {
	unsigned count, stop_at;
};

static bool count_name(void *context, const char *name, pid_t pid)
{
	struct seen *seen = context;

	ck_assert_int_eq(rundir_pid(name), pid);
	return ++seen->count != seen->stop_at;
}

START_TEST(every_socket_name_is_visited_until_told_to_stop)
{
	char top[UNIT_PATH_MAX], name[RUNDIR_NAME_MAX];
	struct seen all = { 0 }, some = { .stop_at = 7 };
	int dir_fd;

	unit_directory(top);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (pid_t pid = 1; pid <= 500; pid++) { /* more than one reading of the directory */
		rundir_name(pid, 1, name);
		close(openat(dir_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	close(openat(dir_fd, "STOP", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (int round = 0; round < 2; round++) {
		all.count = 0;
		rundir_each(dir_fd, count_name, &all);
		ck_assert_uint_eq(all.count, 500);
	}
	rundir_each(dir_fd, count_name, &some);
	ck_assert_uint_eq(some.count, 7);
	close(dir_fd);
	unit_remove(top);
}
END_TEST

START_TEST(long_path_is_reached_through_proc)
{
	char top[UNIT_PATH_MAX], path[RUNDIR_PATH_MAX], deep[101], name[RUNDIR_NAME_MAX];
	struct sockaddr_un address;
	int dir_fd, fd, client;

	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	unit_directory(top);
	snprintf(path, sizeof(path), "%s/%s", top, deep);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rundir_name(getpid(), 1, name);
	fd = make_socket(path, dir_fd, name);
	ck_assert(exists(dir_fd, name));
	ck_assert_int_eq(rundir_address(path, dir_fd, name, &address), 0);
	ck_assert_int_eq(strncmp(address.sun_path, "/proc/thread-self/fd/", 21), 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	close(client);
	close(fd);
	ck_assert_int_eq(rundir_address(path, dir_fd, deep, &address), -ENAMETOOLONG);
	ck_assert_int_eq(unlinkat(dir_fd, name, 0), 0);
	close(dir_fd);
	ck_assert_int_eq(rmdir(path), 0);
	unit_remove(top);
}
END_TEST

UNIT_SUITE(rundir_names, prune_removes_what_is_dead_and_keeps_what_lives,
	   prune_looks_at_so_many_names_at_a_time, move_never_replaces,
	   only_the_name_of_a_dead_socket_is_removed,
	   name_is_dialled_in_the_open_directory_wherever_its_path_leads,
	   link_that_takes_a_dead_name_s_place_is_not_followed,
	   names_are_left_alone_while_somebody_else_removes_some,
	   every_socket_name_is_visited_until_told_to_stop, long_path_is_reached_through_proc)
