/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking many at once: servers of this process that never accept, and one that answers, its reply written before. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtctl/ask.h"
#include "mtctl/ls.h"
#include "tests/unit.h"

#define SILENT (3 * ASK_AT_ONCE)
#define REPLY(id) "{\"jsonrpc\":\"2.0\",\"result\":7,\"id\":" id "}\n"

static struct instance instances[SILENT + 1];
static struct asked asked[SILENT + 1];
static const char *replies;
static int listeners[SILENT + 1];
static unsigned heard;

static void name(size_t i, char path[64])
{
	snprintf(path, 64, "@mtpreload.ask.%d.%zu", (int)getpid(), i);
}

static void listen_as(size_t i)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	instances[i] = (struct instance){ .given = true };
	name(i, instances[i].socket);
	strcpy(address.sun_path + 1, instances[i].socket + 1);
	listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listeners[i], (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(instances[i].socket))), 0);
	ck_assert_int_eq(listen(listeners[i], 8), 0);
	asked[i] = (struct asked){ .at = &instances[i], .link = LINK_CLOSED };
}

static bool hear(struct asked *one, const struct answer *a)
{
	heard++;
	ck_assert_ptr_eq(one, &asked[SILENT]);
	ck_assert(!a->refused && json_kind(a->result) == 'n');
	return heard < 2;
}

/* Serves the last one, in a process of its own. */
static pid_t serve(void)
{
	pid_t pid = fork();
	char got[256];
	int fd;

	if (pid)
		return pid;
	fd = accept(listeners[SILENT], NULL, NULL);
	if (read(fd, got, sizeof(got)) <= 0 || write(fd, replies, strlen(replies)) <= 0)
		_exit(1);
	while (read(fd, got, sizeof(got)) > 0)
		;
	_exit(0);
}

static void ask(const char *answers, uint64_t ns)
{
	struct buf requests = { 0 };
	pid_t server;

	heard = 0;
	replies = answers;
	for (size_t i = 0; i <= SILENT; i++)
		listen_as(i);
	server = serve();
	call_simple(&requests, "mt.info", 1);
	call_simple(&requests, "mt.status", 2);
	ask_all(asked, SILENT + 1, &requests, hear, clock_ns() + ns);
	for (size_t i = 0; i <= SILENT; i++) {
		ck_assert_int_eq(asked[i].link.fd, -1);
		close(listeners[i]);
	}
	buf_free(&requests);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* The turns of the silent ones are shares of the deadline, so that this ends before the test does. */
START_TEST(silent_servers_keep_nobody_from_his_turn)
{
	ask(REPLY("1") REPLY("2"), 4 * NS_PER_S);
	ck_assert_uint_eq(heard, 2);
}
END_TEST

START_TEST(reply_of_another_id_is_not_heard)
{
	static const char *const others[] = { REPLY("2"), REPLY("1.0"), REPLY("\"1\""), REPLY("null"), "{\"result\":7}\n" };

	for (size_t i = 0; i < COUNT(others); i++) {
		ask(others[i], NS_PER_S);
		ck_assert_uint_eq(heard, 0);
	}
	ask(REPLY("1") REPLY("1"), NS_PER_S);
	ck_assert_uint_eq(heard, 1);
}
END_TEST

START_TEST(nothing_is_waited_for_behind_the_deadline)
{
	ask(REPLY("1"), 0);
	ck_assert_uint_eq(heard, 0);
}
END_TEST

START_TEST(who_is_in_trouble_is_not_asked)
{
	struct instance gone = { .trouble = -1, .socket = "@mtpreload.nobody" };
	struct asked one = { .at = &gone, .link = LINK_CLOSED };
	struct buf requests = { 0 };

	call_simple(&requests, "mt.info", 1);
	ask_all(&one, 1, &requests, hear, CLOCK_NEVER);
	ck_assert_int_eq(one.state, ASK_OVER);
	ask_all(&one, 0, &requests, hear, CLOCK_NEVER);
	buf_free(&requests);
}
END_TEST

START_TEST(ls_has_two_seconds_for_all)
{
	ck_assert_uint_eq(LS_NS, 2 * NS_PER_S);
}
END_TEST

UNIT_SUITE(ask, silent_servers_keep_nobody_from_his_turn, reply_of_another_id_is_not_heard, nothing_is_waited_for_behind_the_deadline,
	   who_is_in_trouble_is_not_asked, ls_has_two_seconds_for_all)
