/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections beyond the ordinary places: who is refused, who is served on a reserved one, and who makes room. */
#include "control/places.h"

#include <sys/socket.h>
#include <unistd.h>

#include "control/server.h"
#include "inject/job.h"
#include "tests/talk.h"
#include "tests/unit.h"

#define TOO_MANY "too many connections, 64 are open (only commands that take back are served now, as mt.reset)"

/* All ordinary places are taken, by clients that say nothing. */
static void fill(int fds[CONN_ORDINARY_MAX])
{
	for (size_t i = 0; i < CONN_ORDINARY_MAX; i++, talk_turn())
		fds[i] = talk_client();
	ck_assert_uint_eq(server_clients(), CONN_ORDINARY_MAX);
}

static void leave(const int fds[CONN_ORDINARY_MAX])
{
	for (size_t i = 0; i < CONN_ORDINARY_MAX; i++)
		close(fds[i]);
	talk_end();
}

START_TEST(connection_too_many_is_refused_by_an_answer_to_its_request)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"mt.mem_used\",\"id\":\"x\"}\n";
	int fds[CONN_ORDINARY_MAX], text, json;

	talk_begin();
	fill(fds);
	text = talk_client();
	json = talk_client();
	talk_say(json, request, 1);
	for (int i = 0; i < 10; i++)
		talk_turn(); /* nothing can be said to half a request */
	ck_assert_int_eq(recv(json, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	talk_say(text, USED, 12);
	talk_say(json, request + 1, sizeof(request) - 2);
	talk_expect(text, "503 " TOO_MANY "\n\n");
	talk_expect_end(text);
	talk_expect(json, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"" TOO_MANY
			  "\",\"data\":{\"code\":503}},\"id\":\"x\"}\n");
	talk_expect_end(json);
	close(text);
	close(json);
	talk_say(fds[63], USED, 12);
	talk_expect(fds[63], ZERO);
	close(fds[0]);
	talk_turn();
	fds[0] = talk_client(); /* there is room again */
	talk_say(fds[0], USED, 12);
	talk_expect(fds[0], ZERO);
	leave(fds);
}
END_TEST

START_TEST(what_takes_back_is_served_where_all_ordinary_places_are_taken)
{
	int fds[CONN_ORDINARY_MAX], late;

	talk_begin();
	unit_hold(1000);
	fill(fds);
	late = talk_client();
	talk_say(late, "mt.mem_test_stop 1\nmt.reset\n" USED, 28 + 12);
	talk_expect(late, "400 test 1 not found (mt.mem_test_list shows all)\n\n200 OK\n1000\n\n503 " TOO_MANY "\n\n");
	talk_expect_end(late);
	close(late);
	leave(fds);
}
END_TEST

START_TEST(client_on_a_reserved_place_has_an_ordinary_one_once_there_is_one)
{
	int fds[CONN_ORDINARY_MAX], late;

	talk_begin();
	fill(fds);
	late = talk_client();
	talk_turn();
	ck_assert_uint_eq(conn_reserved_count(), 1);
	close(fds[0]);
	talk_turn();
	talk_say(late, USED, 12);
	talk_expect(late, ZERO);
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

	talk_begin();
	fill(fds);
	for (size_t i = 0; i < COUNT(silent); i++, talk_turn())
		silent[i] = talk_client();
	ck_assert_uint_eq(conn_reserved_count(), PLACES_RESERVED);
	late = talk_client();
	talk_say(late, "mt.reset\n", 9);
	talk_expect(late, ZERO);
	talk_expect_end(silent[0]);
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

	talk_begin();
	fill(fds);
	for (int i = 0; i < 1000; i++)
		unit_hold(10);
	for (size_t i = 0; i < COUNT(busy); i++) {
		busy[i] = talk_client();
		talk_say(busy[i], "mt.reset\n", 9);
		for (int n = 0; n < 3; n++)
			talk_serve();
	}
	job_run(&none);
	late = talk_client();
	for (int n = 0; n < 10; n++)
		talk_serve();
	ck_assert_uint_eq(conn_reserved_count(), PLACES_RESERVED);
	for (size_t i = 0; i < COUNT(busy); i++)
		talk_expect_done(busy[i]);
	talk_say(late, "mt.reset\n", 9);
	talk_expect(late, ZERO);
	for (size_t i = 0; i < COUNT(busy); i++)
		close(busy[i]);
	close(late);
	leave(fds);
}
END_TEST

UNIT_SUITE(server_places, connection_too_many_is_refused_by_an_answer_to_its_request,
	   what_takes_back_is_served_where_all_ordinary_places_are_taken,
	   client_on_a_reserved_place_has_an_ordinary_one_once_there_is_one,
	   silent_clients_on_reserved_places_make_room,
	   client_whose_command_runs_on_a_reserved_place_never_makes_room)
