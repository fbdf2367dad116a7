/* SPDX-License-Identifier: BSD-2-Clause */
/* What the event loop reads, answers and holds back, and whom it serves first. */
#include "control/server.h"

#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/talk.h"
#include "tests/unit.h"

START_TEST(request_may_come_byte_by_byte)
{
	static const char line[] = "mt.mem_alloc 10 k\r\n";
	int fd;

	talk_begin();
	fd = talk_client();
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		ck_assert_uint_eq(hand_pool.bytes, 0);
		talk_say(fd, line + i, 1);
		talk_turn();
	}
	talk_expect(fd, "200 OK\n\n");
	ck_assert_uint_eq(hand_pool.bytes, 10240);
	close(fd);
	talk_end();
}
END_TEST

START_TEST(pipelined_requests_of_both_formats_are_answered_in_order)
{
	static const char lines[] =
		"\r\n \nmt.mem_alloc 5\nmt.mem_used\n{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_used\","
		"\"id\":1}\n{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_free\"}\nmt.mem_used\n";
	int fd;

	talk_begin();
	fd = talk_client();
	talk_say(fd, lines, sizeof(lines) - 1);
	talk_expect(fd, "200 OK\n\n200 OK\n5\n\n{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1}\n" ZERO);
	close(fd);
	talk_end();
}
END_TEST

START_TEST(last_line_needs_no_newline_when_the_client_has_finished)
{
	int fd;

	talk_begin();
	fd = talk_client();
	talk_say(fd, USED "mt.mem_used", 23);
	shutdown(fd, SHUT_WR);
	talk_expect(fd, ZERO ZERO);
	talk_expect_end(fd);
	close(fd);
	talk_end();
}
END_TEST

START_TEST(line_that_is_too_long_is_refused_and_the_next_is_served)
{
	static char lengthy[100000];
	int fd;

	talk_begin();
	fd = talk_client();
	memset(lengthy, 'x', sizeof(lengthy));
	for (size_t at = 0; at < sizeof(lengthy); at += 10000) {
		talk_say(fd, lengthy + at, 10000);
		talk_turn();
	}
	talk_say(fd, "\n" USED, 13);
	talk_expect(fd, "400 the request is longer than 65536 bytes\n\n" ZERO);
	close(fd);
	talk_end();
}
END_TEST

START_TEST(bad_request_does_not_end_the_conversation)
{
	int fd;

	talk_begin();
	fd = talk_client();
	talk_say(fd, "{]\n" USED "nonsense\n" USED, 3 + 12 + 9 + 12);
	talk_expect(fd, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"expected a quoted "
			"name: ']\\n'\",\"data\":{\"code\":400}},\"id\":null}\n" ZERO
			"500 command nonsense not found (mt.help lists them)\n\n" ZERO);
	close(fd);
	talk_end();
}
END_TEST

/* A new user namespace gives us capabilities, which our user has not. */
START_TEST(client_that_may_not_command_us_any_more_is_hung_up_on)
{
	int fd;

	talk_begin();
	if (geteuid() == 0) {
		ck_assert_int_eq(setresgid(1000, 1000, 1000), 0);
		ck_assert_int_eq(setresuid(1000, 1000, 1000), 0);
	}
	fd = talk_client();
	talk_say(fd, USED, 12);
	talk_expect(fd, ZERO);
	if (unshare(CLONE_NEWUSER) == 0) {
		talk_say(fd, "mt.mem_alloc 5\n", 15);
		talk_expect_end(fd);
		ck_assert_uint_eq(hand_pool.bytes, 0);
	}
	close(fd);
	talk_end();
}
END_TEST

#define MANY 20000

/* Sends as much of MANY requests as the socket takes: in large pieces, since on a busy machine each turn, which
   yields the processor, is long. */
static void send_more(int fd, size_t *sent)
{
	static char all[MANY * 12];
	ssize_t n;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = USED[i % 12];
	while (*sent < sizeof(all) && (n = send(fd, &all[*sent], sizeof(all) - *sent, MSG_DONTWAIT)) > 0)
		*sent += (size_t)n;
}

/* More is answered than a socket takes: the rest waits until the client reads. */
START_TEST(client_that_reads_late_loses_nothing)
{
	const size_t want = MANY * (sizeof(ZERO) - 1);
	size_t sent = 0, got = 0, before;
	static char bytes[1 << 16];
	int fd, idle = 0;

	talk_begin();
	fd = talk_client();
	while (idle < 10) { /* until nothing moves; many more turns would try the server's patience */
		before = sent;
		send_more(fd, &sent);
		talk_turn();
		idle = sent == before ? idle + 1 : 0;
	}
	for (int i = 0; got < want; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		ck_assert_int_lt(i, 1000000);
		for (ssize_t at = 0; at < n; at++, got++)
			ck_assert_int_eq(bytes[at], ZERO[got % (sizeof(ZERO) - 1)]);
		send_more(fd, &sent);
		talk_turn();
	}
	ck_assert_uint_eq(got, want);
	close(fd);
	talk_end();
}
END_TEST

/* The server alone, until a command has become a job. */
static void start_job(void)
{
	for (int i = 0; job_next_ns() != 0; i++) {
		ck_assert_int_lt(i, 100);
		talk_serve();
	}
}

START_TEST(hang_up_cancels_the_clients_command)
{
	struct slice none = UNIT_NO_TIME;
	int fd;

	talk_begin();
	fd = talk_client();
	talk_say(fd, "mt.mem_rnd_alloc 1 1 10m\n", 25);
	start_job();
	job_run(&none);
	close(fd);
	for (int i = 0; job_next_ns() == 0; i++) {
		ck_assert_int_lt(i, 1000);
		talk_serve();
		job_run(&none);
	}
	ck_assert_uint_eq(server_clients(), 0);
	ck_assert_uint_lt(hand_pool.bytes, 1000);
	talk_end();
}
END_TEST

START_TEST(one_long_command_does_not_hold_up_another_client)
{
	struct slice none = UNIT_NO_TIME;
	int busy, other;

	talk_begin();
	busy = talk_client();
	other = talk_client();
	talk_say(busy, "mt.mem_rnd_alloc 1 1 100k\n" USED, 26 + 12);
	start_job();
	job_run(&none);
	talk_say(other, "mt.status\n", 10);
	for (int i = 0; i < 10; i++)
		talk_serve();
	ck_assert(job_next_ns() == 0);
	ck_assert_int_gt(recv(other, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK), 0);
	ck_assert_int_eq(recv(busy, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	talk_expect(busy, "200 OK\n\n200 OK\n102400\n\n");
	close(busy);
	close(other);
	talk_end();
}
END_TEST

/* Sixty clients with much to answer stand in front of it, and a turn is too short for all of them. */
START_TEST(client_that_asks_little_goes_before_those_that_flood)
{
	static char flood[12000];
	int floods[60], other;

	for (size_t at = 0; at < sizeof(flood); at += 12)
		memcpy(flood + at, "mt.describe\n", 12);
	talk_begin();
	for (size_t i = 0; i < COUNT(floods); i++, talk_turn()) {
		floods[i] = talk_client();
		talk_say(floods[i], flood, sizeof(flood));
	}
	other = talk_client();
	for (int i = 0; i < 3; i++)
		talk_turn(); /* all have been begun with, and the last one accepted */
	for (int i = 0; i < 100; i++) {
		talk_say(other, USED, 12);
		talk_turn();
		ck_assert_int_eq(recv(other, flood, sizeof(ZERO), MSG_DONTWAIT), sizeof(ZERO) - 1);
	}
	for (size_t i = 0; i < COUNT(floods); i++)
		close(floods[i]);
	close(other);
	talk_end();
}
END_TEST

START_TEST(reset_is_answered_while_a_listing_waits_for_its_reader)
{
	static char rest[1 << 16];
	size_t listed = 0;
	struct slice slice = UNIT_MUCH_TIME;
	int lister, other;

	talk_begin();
	for (int i = 0; i < 20000; i++) {
		const struct test_plan plan = UNIT_PLAN(1, 1, 1, 3600000, 3600000, 36000000);
		uint64_t id;

		ck_assert_int_eq(sched_start(&plan, &id), 0);
	}
	lister = talk_client();
	other = talk_client();
	talk_say(lister, "mt.mem_test_list\n", 17);
	for (int i = 0; i < 100; i++)
		talk_turn();
	ck_assert(job_next_ns() != 0); /* parked, and nothing to do until the client reads */
	talk_say(other, "mt.reset\n", 9);
	talk_expect(other, ZERO);
	ck_assert(!job_run(&slice));
	/* It goes on as the client reads, to its end. */
	for (int i = 0; listed < 20000; i++) {
		ssize_t n = recv(lister, rest, sizeof(rest), MSG_DONTWAIT);

		ck_assert_int_lt(i, 100000);
		for (ssize_t at = 0; at < n; at++)
			listed += rest[at] == '}';
		talk_turn();
	}
	close(lister);
	close(other);
	talk_end();
}
END_TEST

UNIT_SUITE_TAGGED(server, UNIT_GIVES_UP, client_that_may_not_command_us_any_more_is_hung_up_on, request_may_come_byte_by_byte,
	   pipelined_requests_of_both_formats_are_answered_in_order,
	   last_line_needs_no_newline_when_the_client_has_finished,
	   line_that_is_too_long_is_refused_and_the_next_is_served,
	   bad_request_does_not_end_the_conversation,
	   client_that_reads_late_loses_nothing, hang_up_cancels_the_clients_command,
	   one_long_command_does_not_hold_up_another_client,
	   client_that_asks_little_goes_before_those_that_flood,
	   reset_is_answered_while_a_listing_waits_for_its_reader)
