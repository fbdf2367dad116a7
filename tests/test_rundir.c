/* SPDX-License-Identifier: BSD-2-Clause */
/* Where sockets live: how names and addresses are spelled, the order of directories, which are trusted. */
#include "base/rundir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit.h"

START_TEST(names_give_their_pid_back)
{
	static const pid_t pids[] = { 1, 42, 65536, 4194304, INT32_MAX };
	char name[RUNDIR_NAME_MAX], hidden[RUNDIR_NAME_MAX + 1];

	for (size_t i = 0; i < COUNT(pids); i++) {
		static const unsigned nths[] = { 1, 2, UINT32_MAX };

		for (size_t n = 0; n < COUNT(nths); n++) {
			rundir_name(pids[i], nths[n], name);
			snprintf(hidden, sizeof(hidden), ".%s", name);
			ck_assert_int_eq(rundir_pid(name), pids[i]);
			ck_assert_int_eq(rundir_pid(hidden), pids[i]);
		}
	}
	rundir_name(42, 1, name);
	ck_assert_str_eq(name, "mtpreload.42.sock");
	rundir_name(42, 2, name);
	ck_assert_str_eq(name, "mtpreload.42.2.sock");
}
END_TEST

START_TEST(other_names_are_not_ours)
{
	static const char *const names[] = {
		"", ".", "..", "mtpreload", "mtpreload.", "mtpreload..sock", "mtpreload.0.sock",
		"mtpreload.-1.sock", "mtpreload.+1.sock", "mtpreload. 1.sock", "mtpreload.01.sock",
		"mtpreload.1x.sock", "mtpreload.1.sockx", "mtpreload.1.sock.", "mtpreload.1",
		"mtpreload.1.SOCK", "xmtpreload.1.sock", "..mtpreload.1.sock",
		"mtpreload.2147483648.sock", "mtpreload.99999999999999999999.sock", "STOP",
		"mtpreload.1.0.sock", "mtpreload.1.1.sock", "mtpreload.1.02.sock", "mtpreload.1.+2.sock",
		"mtpreload.1.2.3.sock", "mtpreload.1.4294967296.sock", "mtpreload.1..sock", "mtpreload.1.2",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(rundir_pid(names[i]) == 0, "'%s'", names[i]);
}
END_TEST

START_TEST(directories_are_tried_in_order)
{
	const struct rundir_env all = { "/a", "/b:/c", "/x" }, none = { 0 }, empty = { "", "", "" };
	static const struct {
		const char *set, *unset;
		bool make, strict;
	} expected[] = {
		{ "/a", "", true, false },
		{ "/b", "", false, false },
		{ "/run/mtpreload", "/run/mtpreload", false, false },
		{ "/x/mtpreload", "", true, true },
		{ "/tmp/mtpreload-77", "/tmp/mtpreload-77", true, true },
		{ "/tmp/mtpreload-77.2", "/tmp/mtpreload-77.2", true, true },
		{ "/tmp/mtpreload-77.3", "/tmp/mtpreload-77.3", true, true },
		{ "/tmp/mtpreload-77.4", "/tmp/mtpreload-77.4", true, true },
		{ "/tmp/mtpreload-77.5", "/tmp/mtpreload-77.5", true, true },
		{ "/tmp/mtpreload-77.6", "/tmp/mtpreload-77.6", true, true },
		{ "/tmp/mtpreload-77.7", "/tmp/mtpreload-77.7", true, true },
		{ "/tmp/mtpreload-77.8", "/tmp/mtpreload-77.8", true, true },
		{ "/tmp/mtpreload-77.9", "/tmp/mtpreload-77.9", true, true },
	};
	struct rundir dir;

	for (int i = 0; i < (int)COUNT(expected); i++) {
		ck_assert(rundir_candidate(&all, i, 77, &dir));
		ck_assert_str_eq(dir.path, expected[i].set);
		ck_assert_int_eq(dir.make, expected[i].make);
		ck_assert_int_eq(dir.strict, expected[i].strict);
		ck_assert(rundir_candidate(&none, i, 77, &dir));
		ck_assert_str_eq(dir.path, expected[i].unset);
		ck_assert(rundir_candidate(&empty, i, 77, &dir));
		ck_assert_str_eq(dir.path, expected[i].unset);
	}
	ck_assert(!rundir_candidate(&all, (int)COUNT(expected), 77, &dir));
}
END_TEST

START_TEST(path_that_is_too_long_counts_as_unset)
{
	char path[RUNDIR_PATH_MAX + 1];
	struct rundir_env env = { path, path, path };
	struct rundir dir;

	memset(path, 'd', RUNDIR_PATH_MAX);
	path[0] = '/';
	path[RUNDIR_PATH_MAX] = '\0';
	for (int i = 0; i < 4; i++) {
		ck_assert(rundir_candidate(&env, i, 0, &dir));
		ck_assert_str_eq(dir.path, i == 2 ? "/run/mtpreload" : "");
	}
	path[RUNDIR_PATH_MAX - 1] = '\0';
	rundir_candidate(&env, 0, 0, &dir);
	ck_assert_str_eq(dir.path, path);
	rundir_candidate(&env, 3, 0, &dir); /* no room for "/mtpreload" */
	ck_assert_str_eq(dir.path, "");
}
END_TEST

static int open_as(const char *path, bool make, bool strict)
{
	struct rundir dir = { .make = make, .strict = strict };
	int fd;

	snprintf(dir.path, sizeof(dir.path), "%s", path);
	fd = rundir_open(&dir);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

START_TEST(directory_is_made_closed_and_only_where_allowed)
{
	char top[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8];
	struct stat st;

	unit_directory(top);
	snprintf(path, sizeof(path), "%s/new", top);
	ck_assert_int_eq(open_as(path, false, false), -ENOENT);
	ck_assert_int_eq(open_as(path, true, true), 0);
	ck_assert_int_eq(open_as(path, true, true), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(rmdir(path), 0);
	unit_remove(top);
}
END_TEST

START_TEST(strict_directory_has_to_be_ours_closed_and_no_link)
{
	char top[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], link[UNIT_PATH_MAX + 8];

	unit_directory(top);
	snprintf(path, sizeof(path), "%s/dir", top);
	snprintf(link, sizeof(link), "%s/link", top);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(open_as(link, true, true), -ENOTDIR);
	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		ck_assert_int_eq(chmod(path, 0700 | bit), 0);
		ck_assert_int_eq(open_as(path, true, true), -EPERM);
		ck_assert_int_eq(open_as(path, true, false), 0);
	}
	ck_assert_int_eq(chmod(path, 0700), 0);
	if (geteuid() == 0) { /* only root can make a foreign one */
		ck_assert_int_eq(chown(path, 65533, 65533), 0);
		ck_assert_int_eq(open_as(path, true, true), -EPERM);
		ck_assert_int_eq(open_as(path, true, false), -EPERM);
	}
	ck_assert_int_eq(rmdir(path), 0);
	unit_remove(top);
}
END_TEST

/* For a process whose ids differ. */
START_TEST(directory_of_root_is_nobody_elses)
{
	char top[UNIT_PATH_MAX];
	static const mode_t modes[] = { 0700, 0770, 0777, 01777 };
	struct rundir dir = { .of_root = true };
	int fd;

	if (geteuid() != 0)
		return;
	unit_directory(top);
	strcpy(dir.path, top);
	for (size_t i = 0; i < COUNT(modes); i++) {
		ck_assert_int_eq(chmod(top, modes[i]), 0);
		fd = rundir_open(&dir);
		ck_assert_msg((fd >= 0) == (modes[i] == 0700 || modes[i] == 01777), "%o", modes[i]);
		if (fd >= 0)
			close(fd);
	}
	ck_assert_int_eq(chown(top, 65533, 65533), 0);
	ck_assert_int_eq(chmod(top, 0700), 0);
	ck_assert_int_eq(rundir_open(&dir), -EPERM);
	unit_remove(top);
}
END_TEST

START_TEST(address_holds_107_bytes_of_path)
{
	struct sockaddr_un address;
	char dir[106];

	memset(dir, 'd', sizeof(dir) - 1);
	dir[0] = '/';
	dir[105] = '\0';
	ck_assert_int_eq(rundir_address(dir, 5, "s", &address), 0);
	ck_assert_uint_eq(strlen(address.sun_path), 107);
	ck_assert_int_eq(rundir_address(dir, 5, "so", &address), 0);
	ck_assert_str_eq(address.sun_path, "/proc/thread-self/fd/5/so");
}
END_TEST

UNIT_SUITE(rundir, names_give_their_pid_back, other_names_are_not_ours,
	   directories_are_tried_in_order, path_that_is_too_long_counts_as_unset,
	   directory_is_made_closed_and_only_where_allowed,
	   strict_directory_has_to_be_ours_closed_and_no_link, directory_of_root_is_nobody_elses,
	   address_holds_107_bytes_of_path)
