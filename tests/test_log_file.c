/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file may be a log, and what is said of the others. Each lure is left as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log_file.h"
#include "tests/unit.h"

static char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 32], why[LOG_WHY_MAX];

static const char *at(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void refused(const char *name, int error, const char *reason)
{
	ck_assert_msg(log_file_open(at(name), why) == -error, "%s: %s", name, why);
	ck_assert_str_eq(why, reason);
}

static void opened(const char *name)
{
	int fd = log_file_open(at(name), why);

	ck_assert_msg(fd >= 0, "%s: %s", name, why);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert(log_file_is_ours(fd));
	close(fd);
}

static void make(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL, 0640);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(new_file_is_for_its_user_alone_and_an_old_one_stays_as_it_is)
{
	struct stat st;

	unit_directory(directory);
	opened("new");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	make("old");
	opened("old");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	opened("/.//old");
	unit_remove(directory);
}
END_TEST

START_TEST(link_is_not_followed_wherever_it_stands)
{
	char target[UNIT_PATH_MAX + 32];

	unit_directory(directory);
	make("file");
	ck_assert_int_eq(symlink(path, at("link")), 0);
	refused("link", ELOOP, "'link' is a link");
	ck_assert_int_eq(symlink("nothing", at("dangling")), 0);
	refused("dangling", ELOOP, "'dangling' is a link");
	ck_assert_int_eq(access(at("nothing"), F_OK), -1);
	strcpy(target, at("below"));
	ck_assert_int_eq(mkdir(target, 0755), 0);
	opened("below/log");
	ck_assert_int_eq(symlink(target, at("way")), 0);
	refused("way/log", ELOOP, "'way' is a link");
	refused("way/new", ELOOP, "'way' is a link");
	ck_assert_int_eq(access(at("below/new"), F_OK), -1);
	ck_assert_int_eq(unlink(at("below/log")), 0);
	ck_assert_int_eq(rmdir(target), 0);
	unit_remove(directory);
}
END_TEST

/* A FIFO without a reader would hold our thread; to open a device may start something. */
START_TEST(what_is_no_regular_file_is_not_even_opened)
{
	unit_directory(directory);
	ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
	refused("fifo", EINVAL, "'fifo' is no regular file");
	ck_assert_int_eq(mkdir(at("below"), 0755), 0);
	refused("below", EINVAL, "'below' is no regular file");
	refused("below/", EISDIR, "'/' at the end: a directory is no log");
	refused("below/..", EINVAL, "'..' is no regular file");
	make("file");
	refused("file/log", ENOTDIR, "'file': Not a directory");
	ck_assert_int_eq(log_file_open("/dev/null", why), -EINVAL);
	ck_assert_int_eq(log_file_open("relative", why), -EINVAL);
	ck_assert_str_eq(why, "'relative' is no absolute path");
	ck_assert_int_eq(log_file_open("/", why), -EISDIR);
	ck_assert_int_eq(rmdir(at("below")), 0);
	unit_remove(directory);
}
END_TEST

/* Whoever may write to a directory of ours may give a file of ours a second name in his. */
START_TEST(file_with_a_second_name_is_refused)
{
	char first[UNIT_PATH_MAX + 32];

	unit_directory(directory);
	make("first");
	strcpy(first, path);
	ck_assert_int_eq(link(first, at("second")), 0);
	refused("second", EMLINK, "'second' has another name");
	ck_assert_int_eq(unlink(first), 0);
	opened("second");
	unit_remove(directory);
}
END_TEST

START_TEST(file_of_another_user_is_refused_and_his_directory_is_not)
{
	unit_directory(directory);
	if (geteuid() == 0) { /* only root may give a file away */
		make("theirs");
		ck_assert_int_eq(chown(path, 1000, 1000), 0);
		refused("theirs", EPERM, "'theirs' belongs to uid 1000, and the process is uid 0's");
		ck_assert_int_eq(mkdir(at("home"), 0755), 0);
		ck_assert_int_eq(chown(path, 1000, 1000), 0);
		opened("home/log");
		ck_assert_int_eq(unlink(at("home/log")), 0);
		ck_assert_int_eq(rmdir(at("home")), 0);
	}
	unit_remove(directory);
}
END_TEST

UNIT_SUITE(log_file, new_file_is_for_its_user_alone_and_an_old_one_stays_as_it_is, link_is_not_followed_wherever_it_stands,
	   what_is_no_regular_file_is_not_even_opened, file_with_a_second_name_is_refused,
	   file_of_another_user_is_refused_and_his_directory_is_not)
