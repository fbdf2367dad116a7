/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection's limits. The other end is in this process: a pair of sockets. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtctl/link.h"
#include "tests/unit.h"

#define NEVER_NS (3600 * NS_PER_S)

static int connect_pair(struct link *l, uint64_t idle_ns, uint64_t total_ns)
{
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*l = (struct link){ .fd = ends[0], .line_max = 1000, .patience = { idle_ns, total_ns } };
	return ends[1];
}

static void say(int end, const char *text)
{
	ck_assert_int_eq(write(end, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(lines_come_one_by_one_however_they_are_cut)
{
	const char *line;
	struct link l;
	int end = connect_pair(&l, 0, 0);
	size_t len;

	ck_assert_int_eq(link_send(&l, "x", 1), 0);
	ck_assert_int_eq(link_take(&l, &line, &len), -EAGAIN);
	say(end, "on");
	ck_assert_int_eq(link_take(&l, &line, &len), -EAGAIN);
	say(end, "e\n\ntwo\nthr");
	for (const char *const *wanted = (const char *const[]){ "one", "", "two", NULL }; *wanted; wanted++) {
		ck_assert_int_eq(link_line(&l, &line, &len), 0);
		ck_assert_uint_eq(len, strlen(*wanted));
		ck_assert_mem_eq(line, *wanted, len);
	}
	ck_assert_int_eq(link_take(&l, &line, &len), -EAGAIN);
	close(end);
	ck_assert_int_eq(link_line(&l, &line, &len), -ECONNRESET);
	link_close(&l);
}
END_TEST

START_TEST(silence_ends_by_the_idle_limit)
{
	const char *line;
	struct link l;
	int end = connect_pair(&l, NS_PER_MS, NEVER_NS);
	size_t len;

	ck_assert_int_eq(link_send(&l, "x", 1), 0);
	say(end, "no end");
	ck_assert_int_eq(link_line(&l, &line, &len), -ETIMEDOUT);
	close(end);
	link_close(&l);
}
END_TEST

/* What is there already is no reason to go on either. */
START_TEST(lines_without_an_end_end_by_the_total_limit)
{
	const char *line;
	struct link l;
	int end = connect_pair(&l, NEVER_NS, 20 * NS_PER_MS), rc;
	size_t len;

	ck_assert_int_eq(link_send(&l, "x", 1), 0);
	do
		say(end, "a\n");
	while ((rc = link_line(&l, &line, &len)) == 0);
	ck_assert_int_eq(rc, -ETIME);
	link_close(&l);
	close(end);
	end = connect_pair(&l, 0, NS_PER_MS); /* the only limit is the user's */
	ck_assert_int_eq(link_send(&l, "x", 1), 0);
	ck_assert_int_eq(link_line(&l, &line, &len), -ETIMEDOUT);
	link_close(&l);
	close(end);
}
END_TEST

START_TEST(line_is_capped_and_one_of_that_length_is_not)
{
	char text[1003];
	const char *line;
	struct link l;
	int end = connect_pair(&l, 0, 0);
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[1000] = '\n';
	text[1001] = '\0';
	say(end, text);
	ck_assert_int_eq(link_send(&l, "x", 1), 0);
	ck_assert_int_eq(link_line(&l, &line, &len), 0);
	ck_assert_uint_eq(len, 1000);
	text[1000] = 'x';
	text[1001] = 'x';
	say(end, text);
	ck_assert_int_eq(link_line(&l, &line, &len), -EMSGSIZE);
	link_close(&l);
	close(end);
}
END_TEST

UNIT_SUITE(link, lines_come_one_by_one_however_they_are_cut, silence_ends_by_the_idle_limit,
	   lines_without_an_end_end_by_the_total_limit, line_is_capped_and_one_of_that_length_is_not)
