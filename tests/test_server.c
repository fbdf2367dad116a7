/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop against real sockets, both ends in this one thread: no turn waits for anything. */
#include "control/places.h"
#include "control/server.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/unit.h"

static struct sleeper sleeper;
static int listener;
static struct sockaddr_un address;
static socklen_t address_length;

static void turn(void)
{
	struct slice slice = slice_of(NS_PER_S);

	server_wait(&sleeper, 0, -1);
	server_handle();
	sched_run(NS_PER_S);
	job_run(&slice);
}

/* Under an abstract name that the kernel chooses. */
static void begin(void)
{
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_length = sizeof(address);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_length), 0);
	ck_assert_int_eq(listen(listener, 200), 0);
	ck_assert_int_eq(server_reserve(), 0);
	server_start(listener);
}

static void end(void)
{
	for (int i = 0; server_clients(); i++) {
		ck_assert_int_lt(i, 1000);
		turn();
	}
	server_forget();
	close(listener);
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_length), 0);
	return fd;
}

static void say(int fd, const char *bytes, size_t len)
{
	ck_assert_int_eq(send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)len);
}

/* Takes turns until exactly these bytes have come. */
static void expect(int fd, const char *bytes)
{
	static char got[1 << 16];
	size_t want = strlen(bytes), len = 0;

	for (int i = 0; len < want; i++, turn()) {
		ssize_t n = recv(fd, got + len, want - len, MSG_DONTWAIT);

		ck_assert_msg(n != 0 && i < 10000, "the server has hung up, or is silent");
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_mem_eq(got, bytes, want);
	ck_assert_int_le(recv(fd, got, 1, MSG_DONTWAIT), 0); /* and no more */
}

/* Takes turns until a reply has come, whatever its value. */
static void expect_done(int fd)
{
	char got[64] = "";
	size_t len = 0;

	for (int i = 0; !strstr(got, "\n\n"); i++, turn()) {
		ssize_t n = recv(fd, got + len, sizeof(got) - 1 - len, MSG_DONTWAIT);

		ck_assert_msg(n != 0 && i < 10000, "the server has hung up, or is silent");
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_int_eq(strncmp(got, "200 OK\n", 7), 0);
}

static void expect_end(int fd)
{
	for (int i = 0; recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT) != 0; i++, turn())
		ck_assert_int_lt(i, 1000);
}

#define USED "mt.mem_used\n"
#define ZERO "200 OK\n0\n\n"

START_TEST(request_may_come_byte_by_byte)
{
	static const char line[] = "mt.mem_alloc 10 k\r\n";
	int fd;

	begin();
	fd = client();
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		ck_assert_uint_eq(hand_pool.bytes, 0);
		say(fd, line + i, 1);
		turn();
	}
	expect(fd, "200 OK\n\n");
	ck_assert_uint_eq(hand_pool.bytes, 10240);
	close(fd);
	end();
}
END_TEST

START_TEST(pipelined_requests_of_both_formats_are_answered_in_order)
{
	static const char lines[] =
		"\r\n \nmt.mem_alloc 5\nmt.mem_used\n{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_used\","
		"\"id\":1}\n{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_free\"}\nmt.mem_used\n";
	int fd;

	begin();
	fd = client();
	say(fd, lines, sizeof(lines) - 1);
	expect(fd, "200 OK\n\n200 OK\n5\n\n{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":1}\n" ZERO);
	close(fd);
	end();
}
END_TEST

START_TEST(last_line_needs_no_newline_when_the_client_has_finished)
{
	int fd;

	begin();
	fd = client();
	say(fd, USED "mt.mem_used", 23);
	shutdown(fd, SHUT_WR);
	expect(fd, ZERO ZERO);
	expect_end(fd);
	close(fd);
	end();
}
END_TEST

START_TEST(line_that_is_too_long_is_refused_and_the_next_is_served)
{
	static char lengthy[100000];
	int fd;

	begin();
	fd = client();
	memset(lengthy, 'x', sizeof(lengthy));
	for (size_t at = 0; at < sizeof(lengthy); at += 10000) {
		say(fd, lengthy + at, 10000);
		turn();
	}
	say(fd, "\n" USED, 13);
	expect(fd, "400 the request is longer than 65536 bytes\n\n" ZERO);
	close(fd);
	end();
}
END_TEST

START_TEST(bad_request_does_not_end_the_conversation)
{
	int fd;

	begin();
	fd = client();
	say(fd, "{]\n" USED "nonsense\n" USED, 3 + 12 + 9 + 12);
	expect(fd, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"expected a quoted "
		   "name: ']\\n'\",\"data\":{\"code\":400}},\"id\":null}\n" ZERO
		   "500 command nonsense not found (mt.help lists them)\n\n" ZERO);
	close(fd);
	end();
}
END_TEST

/* A new user namespace gives us capabilities, which our user has not. */
START_TEST(client_that_may_not_command_us_any_more_is_hung_up_on)
{
	int fd;

	begin();
	if (geteuid() == 0) {
		ck_assert_int_eq(setresgid(1000, 1000, 1000), 0);
		ck_assert_int_eq(setresuid(1000, 1000, 1000), 0);
	}
	fd = client();
	say(fd, USED, 12);
	expect(fd, ZERO);
	if (unshare(CLONE_NEWUSER) == 0) {
		say(fd, "mt.mem_alloc 5\n", 15);
		expect_end(fd);
		ck_assert_uint_eq(hand_pool.bytes, 0);
	}
	close(fd);
	end();
}
END_TEST

#define TOO_MANY "too many connections, 64 are open (only commands that take back are served now, as mt.reset)"

/* All ordinary places are taken, by clients that say nothing. */
static void fill(int fds[CONN_ORDINARY_MAX])
{
	for (size_t i = 0; i < CONN_ORDINARY_MAX; i++, turn())
		fds[i] = client();
	ck_assert_uint_eq(server_clients(), CONN_ORDINARY_MAX);
}

static void leave(const int fds[CONN_ORDINARY_MAX])
{
	for (size_t i = 0; i < CONN_ORDINARY_MAX; i++)
		close(fds[i]);
	end();
}

START_TEST(connection_too_many_is_refused_by_an_answer_to_its_request)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_used\",\"id\":\"x\"}\n";
	int fds[CONN_ORDINARY_MAX], text, json;

	begin();
	fill(fds);
	text = client();
	json = client();
	say(json, request, 1);
	for (int i = 0; i < 10; i++)
		turn(); /* nothing can be said to half a request */
	ck_assert_int_eq(recv(json, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	say(text, USED, 12);
	say(json, request + 1, sizeof(request) - 2);
	expect(text, "503 " TOO_MANY "\n\n");
	expect_end(text);
	expect(json, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"" TOO_MANY
		     "\",\"data\":{\"code\":503}},\"id\":\"x\"}\n");
	expect_end(json);
	close(text);
	close(json);
	say(fds[63], USED, 12);
	expect(fds[63], ZERO);
	close(fds[0]);
	turn();
	fds[0] = client(); /* there is room again */
	say(fds[0], USED, 12);
	expect(fds[0], ZERO);
	leave(fds);
}
END_TEST

START_TEST(what_takes_back_is_served_where_all_ordinary_places_are_taken)
{
	int fds[CONN_ORDINARY_MAX], late;

	begin();
	unit_hold(1000);
	fill(fds);
	late = client();
	say(late, "mt.mem_test_stop 1\nmt.reset\n" USED, 28 + 12);
	expect(late, "400 test 1 not found (mt.mem_test_list shows all)\n\n200 OK\n1000\n\n503 " TOO_MANY "\n\n");
	expect_end(late);
	close(late);
	leave(fds);
}
END_TEST

START_TEST(client_on_a_reserved_place_has_an_ordinary_one_once_there_is_one)
{
	int fds[CONN_ORDINARY_MAX], late;

	begin();
	fill(fds);
	late = client();
	turn();
	ck_assert_uint_eq(conn_reserved_count(), 1);
	close(fds[0]);
	turn();
	say(late, USED, 12);
	expect(late, ZERO);
	ck_assert_uint_eq(conn_reserved_count(), 0);
	ck_assert_uint_eq(server_clients(), CONN_ORDINARY_MAX);
	fds[0] = late;
	leave(fds);
}
END_TEST

/* They have been accepted and hung up on, since each is silent and they are of one process. */
START_TEST(silent_clients_on_reserved_places_make_room)
{
	int fds[CONN_ORDINARY_MAX], silent[3 * PLACES_RESERVED], late;

	begin();
	fill(fds);
	for (size_t i = 0; i < COUNT(silent); i++, turn())
		silent[i] = client();
	ck_assert_uint_eq(conn_reserved_count(), PLACES_RESERVED);
	late = client();
	say(late, "mt.reset\n", 9);
	expect(late, ZERO);
	expect_end(silent[0]);
	for (size_t i = 0; i < COUNT(silent); i++)
		close(silent[i]);
	close(late);
	leave(fds);
}
END_TEST

START_TEST(client_whose_command_runs_on_a_reserved_place_never_makes_room)
{
	struct slice none = UNIT_NO_TIME;
	int fds[CONN_ORDINARY_MAX], busy[PLACES_RESERVED], late;

	begin();
	fill(fds);
	for (int i = 0; i < 1000; i++)
		unit_hold(10);
	for (size_t i = 0; i < COUNT(busy); i++) {
		busy[i] = client();
		say(busy[i], "mt.reset\n", 9);
		for (int n = 0; n < 3; n++) {
			server_wait(&sleeper, 0, -1);
			server_handle();
		}
	}
	job_run(&none);
	late = client();
	for (int n = 0; n < 10; n++) {
		server_wait(&sleeper, 0, -1);
		server_handle();
	}
	ck_assert_uint_eq(conn_reserved_count(), PLACES_RESERVED);
	for (size_t i = 0; i < COUNT(busy); i++)
		expect_done(busy[i]);
	say(late, "mt.reset\n", 9);
	expect(late, ZERO);
	for (size_t i = 0; i < COUNT(busy); i++)
		close(busy[i]);
	close(late);
	leave(fds);
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

	begin();
	fd = client();
	while (idle < 10) { /* until nothing moves; many more turns would try the server's patience */
		before = sent;
		send_more(fd, &sent);
		turn();
		idle = sent == before ? idle + 1 : 0;
	}
	for (int i = 0; got < want; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		ck_assert_int_lt(i, 1000000);
		for (ssize_t at = 0; at < n; at++, got++)
			ck_assert_int_eq(bytes[at], ZERO[got % (sizeof(ZERO) - 1)]);
		send_more(fd, &sent);
		turn();
	}
	ck_assert_uint_eq(got, want);
	close(fd);
	end();
}
END_TEST

/* The server alone, until a command has become a job. */
static void start_job(void)
{
	for (int i = 0; job_next_ns() != 0; i++) {
		ck_assert_int_lt(i, 100);
		server_wait(&sleeper, 0, -1);
		server_handle();
	}
}

START_TEST(hang_up_cancels_the_clients_command)
{
	struct slice none = UNIT_NO_TIME;
	int fd;

	begin();
	fd = client();
	say(fd, "mt.mem_rnd_alloc 1 1 10m\n", 25);
	start_job();
	job_run(&none);
	close(fd);
	for (int i = 0; job_next_ns() == 0; i++) {
		ck_assert_int_lt(i, 1000);
		server_wait(&sleeper, 0, -1);
		server_handle();
		job_run(&none);
	}
	ck_assert_uint_eq(server_clients(), 0);
	ck_assert_uint_lt(hand_pool.bytes, 1000);
	end();
}
END_TEST

START_TEST(one_long_command_does_not_hold_up_another_client)
{
	struct slice none = UNIT_NO_TIME;
	int busy, other;

	begin();
	busy = client();
	other = client();
	say(busy, "mt.mem_rnd_alloc 1 1 100k\n" USED, 26 + 12);
	start_job();
	job_run(&none);
	say(other, "mt.status\n", 10);
	for (int i = 0; i < 10; i++) {
		server_wait(&sleeper, 0, -1);
		server_handle();
	}
	ck_assert(job_next_ns() == 0);
	ck_assert_int_gt(recv(other, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK), 0);
	ck_assert_int_eq(recv(busy, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	expect(busy, "200 OK\n\n200 OK\n102400\n\n");
	close(busy);
	close(other);
	end();
}
END_TEST

/* Sixty clients with much to answer stand in front of it, and a turn is too short for all of them. */
START_TEST(client_that_asks_little_goes_before_those_that_flood)
{
	static char flood[12000];
	int floods[60], other;

	for (size_t at = 0; at < sizeof(flood); at += 12)
		memcpy(flood + at, "mt.describe\n", 12);
	begin();
	for (size_t i = 0; i < COUNT(floods); i++, turn()) {
		floods[i] = client();
		say(floods[i], flood, sizeof(flood));
	}
	other = client();
	for (int i = 0; i < 3; i++)
		turn(); /* all have been begun with, and the last one accepted */
	for (int i = 0; i < 100; i++) {
		say(other, USED, 12);
		turn();
		ck_assert_int_eq(recv(other, flood, sizeof(ZERO), MSG_DONTWAIT), sizeof(ZERO) - 1);
	}
	for (size_t i = 0; i < COUNT(floods); i++)
		close(floods[i]);
	close(other);
	end();
}
END_TEST

START_TEST(reset_is_answered_while_a_listing_waits_for_its_reader)
{
	static char rest[1 << 16];
	size_t listed = 0;
	struct slice slice = UNIT_MUCH_TIME;
	int lister, other;

	begin();
	for (int i = 0; i < 20000; i++) {
		const struct test_plan plan = UNIT_PLAN(1, 1, 1, 3600000, 3600000, 36000000);
		uint64_t id;

		ck_assert_int_eq(sched_start(&plan, &id), 0);
	}
	lister = client();
	other = client();
	say(lister, "mt.mem_test_list\n", 17);
	for (int i = 0; i < 100; i++)
		turn();
	ck_assert(job_next_ns() != 0); /* parked, and nothing to do until the client reads */
	say(other, "mt.reset\n", 9);
	expect(other, ZERO);
	ck_assert(!job_run(&slice));
	/* It goes on as the client reads, to its end. */
	for (int i = 0; listed < 20000; i++) {
		ssize_t n = recv(lister, rest, sizeof(rest), MSG_DONTWAIT);

		ck_assert_int_lt(i, 100000);
		for (ssize_t at = 0; at < n; at++)
			listed += rest[at] == '}';
		turn();
	}
	close(lister);
	close(other);
	end();
}
END_TEST

UNIT_SUITE_TAGGED(server, UNIT_GIVES_UP, client_that_may_not_command_us_any_more_is_hung_up_on, request_may_come_byte_by_byte,
	   pipelined_requests_of_both_formats_are_answered_in_order,
	   last_line_needs_no_newline_when_the_client_has_finished,
	   line_that_is_too_long_is_refused_and_the_next_is_served,
	   bad_request_does_not_end_the_conversation, connection_too_many_is_refused_by_an_answer_to_its_request,
	   what_takes_back_is_served_where_all_ordinary_places_are_taken,
	   client_on_a_reserved_place_has_an_ordinary_one_once_there_is_one,
	   silent_clients_on_reserved_places_make_room,
	   client_whose_command_runs_on_a_reserved_place_never_makes_room,
	   client_that_reads_late_loses_nothing, hang_up_cancels_the_clients_command,
	   one_long_command_does_not_hold_up_another_client,
	   client_that_asks_little_goes_before_those_that_flood,
	   reset_is_answered_while_a_listing_waits_for_its_reader)
