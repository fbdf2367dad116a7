/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may command us, by what we are and who comes. Each test is a process of its own, which becomes what it has to be. */
#include "control/access.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit.h"

#define OTHER 1000
#define OTHERS 1006 /* a group */
#define OVERFLOW_UID 65534

static int listener;
static struct sockaddr_un address;
static socklen_t address_length;

static void listen_at(const char *path)
{
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	address_length = *path ? sizeof(address) : sizeof(sa_family_t); /* none: an abstract name that the kernel chooses */
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, address_length), 0);
	address_length = sizeof(address);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_length), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

/* Connects as that user, before this process becomes another. */
static void come_as(uid_t uid)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (uid != geteuid() && setresuid(uid, uid, uid) < 0)
			_exit(1);
		_exit(connect(fd, (struct sockaddr *)&address, address_length) < 0 ? 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static bool is_let_in(void)
{
	struct ucred peer;
	int fd = accept(listener, NULL, NULL);
	bool allowed;

	ck_assert_int_ge(fd, 0);
	allowed = access_begins(fd, &peer);
	close(fd);
	return allowed;
}

static void become(uid_t real, uid_t effective, uid_t saved)
{
	ck_assert_int_eq(setresuid(real, effective, saved), 0);
}

START_TEST(our_own_user_is_let_in)
{
	listen_at("");
	come_as(geteuid());
	ck_assert(is_let_in());
	ck_assert(access_lasts(geteuid()));
	ck_assert(!access_ids_differ());
}
END_TEST

START_TEST(user_is_let_in_only_where_all_three_ids_are_his)
{
	static const struct {
		uid_t real, effective, saved;
		bool allowed;
	} cases[] = {
		{ OTHER, OTHER, OTHER, true }, { 0, OTHER, 0, false },	       { 0, OTHER, OTHER, false },
		{ OTHER, OTHER, 0, false },    { OTHER, 0, 0, false },	       { OTHER, 0, OTHER, false },
		{ 0, 0, OTHER, false },	       { OTHER + 1, OTHER, OTHER, false }, { 0, 0, 0, false },
	};

	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < COUNT(cases); i++) {
		pid_t pid;
		int status;

		listen_at("");
		come_as(OTHER);
		come_as(0);
		pid = fork();
		if (pid == 0) {
			become(cases[i].real, cases[i].effective, cases[i].saved);
			ck_assert(is_let_in() == cases[i].allowed);
			ck_assert(access_lasts(OTHER) == cases[i].allowed);
			ck_assert(is_let_in()); /* root is, always */
			ck_assert(access_lasts(0));
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(status == 0, "case %zu", i);
		close(listener);
	}
}
END_TEST

START_TEST(another_user_is_not_let_in)
{
	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OTHER + 1);
	become(OTHER, OTHER, OTHER);
	ck_assert(!is_let_in());
	ck_assert(!access_lasts(OTHER + 1));
}
END_TEST

START_TEST(user_is_not_let_in_where_we_hold_a_capability)
{
	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OTHER);
	come_as(0);
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	become(OTHER, OTHER, OTHER); /* which leaves the permitted ones, and no effective one */
	ck_assert(!is_let_in());
	ck_assert(!access_lasts(OTHER));
	ck_assert(is_let_in());
	ck_assert(!access_ids_differ());
}
END_TEST

START_TEST(user_is_not_let_in_where_we_are_in_a_group_of_which_he_is_not)
{
	const gid_t groups[] = { getegid(), OTHERS };

	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OTHER);
	come_as(0);
	ck_assert_int_eq(setgroups(COUNT(groups), groups), 0);
	come_as(OTHER);
	become(OTHER, OTHER, OTHER);
	ck_assert(!is_let_in());
	ck_assert(is_let_in()); /* root is, always */
	ck_assert(is_let_in());
}
END_TEST

START_TEST(overflow_uid_is_a_user_like_others_where_every_uid_has_a_number)
{
	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OVERFLOW_UID);
	become(OVERFLOW_UID, OVERFLOW_UID, OVERFLOW_UID);
	ck_assert(is_let_in());
	ck_assert(access_lasts(OVERFLOW_UID));
}
END_TEST

START_TEST(nobody_without_a_number_is_let_in_where_we_hold_capabilities)
{
	listen_at("");
	come_as(geteuid());
	if (unshare(CLONE_NEWUSER) < 0) /* where our uid has no number, and we hold every capability */
		return;
	ck_assert(!is_let_in());
	ck_assert(!access_lasts(OVERFLOW_UID));
}
END_TEST

/* Enters a namespace in which `map` says who has which number. False where the kernel lets nobody in, as a process
   with a second thread, which ThreadSanitizer and qemu begin. */
static bool enter_namespace(const char *map)
{
	int turn[2], status;
	char path[64], byte = 0;
	pid_t pid, parent = getpid();
	bool entered;

	ck_assert_int_eq(pipe(turn), 0);
	pid = fork();
	if (pid == 0) { /* it has the capabilities that the map takes */
		int fd;

		close(turn[1]);
		if (read(turn[0], &byte, 1) != 1)
			_exit(1);
		snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)parent);
		fd = open(path, O_WRONLY);
		_exit(write(fd, map, strlen(map)) != (ssize_t)strlen(map));
	}
	entered = unshare(CLONE_NEWUSER) == 0;
	close(turn[0]);
	if (entered)
		ck_assert_int_eq(write(turn[1], &byte, 1), 1);
	close(turn[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, entered ? 0 : 1 << 8);
	return entered;
}

/* As for a tool that makes a container, or one that enters a user's. */
START_TEST(root_of_a_namespace_in_which_we_have_no_number_is_not_let_in)
{
	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OTHER);
	if (!enter_namespace("0 1000 1\n65534 2000 1\n"))
		return;
	ck_assert_uint_eq(geteuid(), OVERFLOW_UID);
	ck_assert(!is_let_in());
}
END_TEST

START_TEST(root_of_a_namespace_in_which_we_have_a_number_is_let_in)
{
	if (geteuid() != 0)
		return;
	listen_at("");
	come_as(OTHER);
	if (!enter_namespace("0 1000 1\n65534 0 1\n"))
		return;
	ck_assert_uint_eq(geteuid(), OVERFLOW_UID);
	ck_assert(is_let_in());
}
END_TEST

UNIT_SUITE_TAGGED(access, UNIT_GIVES_UP, our_own_user_is_let_in, user_is_let_in_only_where_all_three_ids_are_his, another_user_is_not_let_in,
	   user_is_not_let_in_where_we_hold_a_capability,
	   user_is_not_let_in_where_we_are_in_a_group_of_which_he_is_not,
	   overflow_uid_is_a_user_like_others_where_every_uid_has_a_number,
	   nobody_without_a_number_is_let_in_where_we_hold_capabilities,
	   root_of_a_namespace_in_which_we_have_no_number_is_not_let_in,
	   root_of_a_namespace_in_which_we_have_a_number_is_let_in)
