/* SPDX-License-Identifier: BSD-2-Clause */
/* The log file: one whole line for each call, whatever its text is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit.h"

static char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], why[LOG_WHY_MAX];

static void open_log(void)
{
	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/log", directory);
	ck_assert_int_eq(log_open(path, why), 0);
}

static void close_log(void)
{
	ck_assert_int_eq(log_open("", why), 0);
	unit_remove(directory);
}

static size_t read_log(char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t len;

	ck_assert_ptr_nonnull(f);
	len = fread(text, 1, cap - 1, f);
	text[len] = '\0';
	fclose(f);
	return len;
}

START_TEST(line_has_utc_time_pid_and_text)
{
	char text[256], rest[64];
	int year, month, day, hour, minute, second, millisecond, pid;
	time_t before = time(NULL), logged;
	struct tm tm;

	open_log();
	log_line("%s by pid %d", "mt.mem_alloc 10 k", 7);
	read_log(text, sizeof(text));
	ck_assert_int_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %d %63[^\n]", &year, &month, &day,
				&hour, &minute, &second, &millisecond, &pid, rest),
			 9);
	tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
			  .tm_hour = hour, .tm_min = minute, .tm_sec = second };
	logged = timegm(&tm);
	ck_assert_int_ge(logged, before);
	ck_assert_int_le(logged, time(NULL));
	ck_assert_int_eq(pid, getpid());
	ck_assert_str_eq(rest, "mt.mem_alloc 10 k by pid 7");
	ck_assert_int_eq(text[23], 'Z');
	close_log();
}
END_TEST

START_TEST(what_is_no_plain_text_is_told_byte_by_byte)
{
	char text[256];

	open_log();
	log_line("a\nb\x1b\xc2\x85");
	read_log(text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " a\\x0ab\\x1b\\xc2\\x85\n"));
	ck_assert_ptr_eq(strchr(text, '\n') + 1, text + strlen(text));
	close_log();
}
END_TEST

START_TEST(long_text_is_cut_to_one_line)
{
	char text[4096], lengthy[3000];

	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	open_log();
	log_line("%s", lengthy);
	log_line("next");
	ck_assert_uint_lt(read_log(text, sizeof(text)), 1100);
	ck_assert_ptr_nonnull(strstr(text, "x\n"));
	ck_assert_ptr_nonnull(strstr(text, " next\n"));
	close_log();
}
END_TEST

START_TEST(lines_are_appended_and_nobody_else_reads_them)
{
	char text[512];
	struct stat st;

	open_log();
	log_line("first");
	ck_assert_int_eq(log_open(path, why), 0);
	log_line("second");
	ck_assert_uint_gt(read_log(text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, " first\n"));
	ck_assert_ptr_nonnull(strstr(text, " second\n"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	close_log();
	log_line("nowhere"); /* no file is open: nothing happens */
}
END_TEST

START_TEST(failed_open_keeps_the_old_file)
{
	char text[256];

	open_log();
	ck_assert_int_eq(log_open("/nonexistent/directory/log", why), -ENOENT);
	ck_assert_str_eq(why, "'nonexistent': No such file or directory");
	ck_assert_str_eq(log_path(), path);
	log_line("still here");
	read_log(text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " still here\n"));
	close_log();
	ck_assert_str_eq(log_path(), "");
}
END_TEST

/* As after setuid, in the parts of it that a file system can tell. */
START_TEST(file_that_has_become_somebody_elses_is_closed)
{
	char text[256];

	if (geteuid() != 0)
		return; /* only root may give a file away */
	open_log();
	log_line("ours");
	ck_assert_int_eq(chown(path, 1000, 1000), 0);
	ck_assert_ptr_null(log_complaint());
	log_line("theirs");
	ck_assert_ptr_nonnull(strstr(log_complaint(), path));
	ck_assert_str_eq(log_path(), "");
	read_log(text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " ours\n"));
	ck_assert_ptr_null(strstr(text, " theirs\n"));
	ck_assert_int_eq(chown(path, 0, 0), 0);
	ck_assert_int_eq(log_open(path, why), 0);
	ck_assert_ptr_null(log_complaint());
	close_log();
}
END_TEST

UNIT_SUITE(log, line_has_utc_time_pid_and_text, what_is_no_plain_text_is_told_byte_by_byte,
	   long_text_is_cut_to_one_line, lines_are_appended_and_nobody_else_reads_them,
	   failed_open_keeps_the_old_file, file_that_has_become_somebody_elses_is_closed)
