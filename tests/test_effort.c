/* SPDX-License-Identifier: BSD-2-Clause */
/* A search that may take no time at all is left at once, and whoever asks is told where. */
#include "mtctl/effort.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mtctl/proc.h"
#include "mtctl/prune.h"
#include "tests/unit.h"

START_TEST(search_without_a_limit_is_never_left)
{
	effort_begin(0);
	effort_end();
	ck_assert(!effort_is_over("anywhere"));
}
END_TEST

static void count_one(void *context, pid_t pid)
{
	(void)pid;
	++*(unsigned *)context;
}

START_TEST(search_of_processes_is_left_and_says_so)
{
	unsigned seen = 0;

	effort_begin(0);
	ck_assert_uint_gt(proc_each(count_one, &seen), 1); /* all of them */
	ck_assert_uint_eq(seen, 0);
	ck_assert_str_eq(effort_left_at(), "/proc");
	effort_begin(UINT32_MAX); /* some seconds */
	ck_assert(!effort_is_over("elsewhere"));
	effort_end();
	ck_assert_uint_eq(proc_each(count_one, &seen), 0);
	ck_assert_uint_gt(seen, 0);
	ck_assert_str_eq(effort_left_at(), "/proc"); /* the first place is kept */
}
END_TEST

START_TEST(dead_names_stay_where_there_is_no_time_to_prune)
{
	char top[UNIT_PATH_MAX];
	struct instances none = { 0 };
	struct stat st;
	int dir_fd;

	unit_directory(top);
	ck_assert_int_eq(setenv("MTPRELOAD_DIR", top, 1), 0);
	dir_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mknodat(dir_fd, "mtpreload.2147483647.sock", S_IFSOCK | 0600, 0), 0);
	effort_begin(0);
	ck_assert_int_eq(prune_dirs(&none), 0);
	ck_assert_int_eq(fstatat(dir_fd, "mtpreload.2147483647.sock", &st, 0), 0);
	effort_end();
	ck_assert_int_ge(prune_dirs(&none), 1);
	ck_assert_int_lt(fstatat(dir_fd, "mtpreload.2147483647.sock", &st, 0), 0);
	ck_assert_int_eq(unsetenv("MTPRELOAD_DIR"), 0);
	close(dir_fd);
	unit_remove(top);
}
END_TEST

/* Another user's process, which waits for its end. */
static pid_t start_as(uid_t uid)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setresuid(uid, uid, uid) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct order {
	pid_t slow, other, ours; /* the processes */
	bool slow_seen, other_seen, ours_first;
};

/* The slow one takes all that there is. */
static void take_long(void *context, pid_t pid)
{
	struct order *o = context;

	o->other_seen |= pid == o->other;
	o->ours_first |= pid == o->ours && !o->slow_seen;
	if (pid != o->slow)
		return;
	o->slow_seen = true;
	while (!effort_is_over("a process"))
		;
}

static bool is_uid(pid_t pid, uid_t uid)
{
	struct proc p;

	return proc_read(pid, &p) && p.uid == uid;
}

START_TEST(process_of_another_user_s_takes_no_more_than_its_turn)
{
	struct order o = { .slow_seen = false };

	if (geteuid() != 0)
		return;
	o.slow = start_as(4001);
	o.other = start_as(4002);
	o.ours = start_as(0);
	while (!is_uid(o.slow, 4001) || !is_uid(o.other, 4002))
		unit_moment();
	effort_begin(8 * NS_PER_S); /* far more than the rest takes, also under valgrind */
	ck_assert_uint_eq(proc_each(take_long, &o), 0);
	effort_end();
	ck_assert(o.slow_seen && o.other_seen && o.ours_first);
	end(o.slow);
	end(o.other);
	end(o.ours);
}
END_TEST

UNIT_SUITE_TAGGED(effort, UNIT_GIVES_UP, process_of_another_user_s_takes_no_more_than_its_turn,
	   search_without_a_limit_is_never_left, search_of_processes_is_left_and_says_so,
	   dead_names_stay_where_there_is_no_time_to_prune)
