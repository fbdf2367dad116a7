/* SPDX-License-Identifier: BSD-2-Clause */
/* What mtctl opens of that which others name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mtctl/regular.h"
#include "tests/unit.h"

static int look(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

START_TEST(regular_file_is_read_from_its_beginning)
{
	char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], read_back[4] = "";
	int fd;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	close(fd);
	fd = regular_open(look(path));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, read_back, sizeof(read_back)), 3);
	ck_assert_str_eq(read_back, "abc");
	close(fd);
	unit_remove(directory);
}
END_TEST

START_TEST(nothing_else_is_opened_and_the_look_is_closed)
{
	char directory[UNIT_PATH_MAX], fifo[UNIT_PATH_MAX + 8];
	int before = dup(0);

	close(before);
	unit_directory(directory);
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(regular_open(look(fifo)), -EACCES);
	ck_assert_int_eq(regular_open(look("/dev/null")), -EACCES);
	ck_assert_int_eq(regular_open(look(directory)), -EISDIR);
	ck_assert_int_eq(regular_open(-ENOENT), -ENOENT);
	ck_assert_int_eq(dup(0), before);
	close(before);
	unit_remove(directory);
}
END_TEST

UNIT_SUITE(regular, regular_file_is_read_from_its_beginning, nothing_else_is_opened_and_the_look_is_closed)
