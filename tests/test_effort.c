/* SPDX-License-Identifier: BSD-2-Clause */
/* A search that may take no time at all is left at once, and whoever asks is told where. */
#include "mtctl/effort.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
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
	ck_assert(!proc_each(count_one, &seen));
	ck_assert_uint_eq(seen, 0);
	ck_assert_str_eq(effort_left_at(), "/proc");
	effort_begin(UINT32_MAX); /* some seconds */
	ck_assert(!effort_is_over("elsewhere"));
	effort_end();
	ck_assert(proc_each(count_one, &seen));
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

UNIT_SUITE(effort, search_without_a_limit_is_never_left, search_of_processes_is_left_and_says_so,
	   dead_names_stay_where_there_is_no_time_to_prune)
