/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_test_*: starting, stopping, destroying and listing timed tests. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

static char line[80];

static const char *with_id(const char *format, uint64_t id)
{
	snprintf(line, sizeof(line), format, id);
	return line;
}

static uint64_t start(const char *arguments)
{
	char whole[80];
	uint64_t id;

	snprintf(whole, sizeof(whole), "mt.mem_test_start %s", arguments);
	id = strtoull(recorder_call(whole), NULL, 10);
	ck_assert_ptr_nonnull(sched_find(id));
	return id;
}

START_TEST(start_answers_the_id_and_keeps_the_plan)
{
	uint64_t id = start("15 64 25000 128 1500 3600000 k");
	const struct test_plan *plan = &sched_find(id)->plan;

	ck_assert_uint_eq(plan->min_bytes, 15360);
	ck_assert_uint_eq(plan->max_bytes, 65536);
	ck_assert_uint_eq(plan->total_bytes, 25600000);
	ck_assert_uint_eq(plan->min_ms, 128);
	ck_assert_uint_eq(plan->max_ms, 1500);
	ck_assert_uint_eq(plan->time_ms, 3600000);
	ck_assert_uint_eq(start("1 1 1 1 1 1s"), id + 1);
}
END_TEST

START_TEST(plans_that_cannot_be_are_refused)
{
	static const char *const refused[][2] = {
		{ "2 1 10 1 1 1", "400 invalid size parameters values: min 2, max 1, total 10 bytes" },
		{ "1 11 10 1 1 1", "400 invalid size parameters values" },
		{ "0 0 10 1 1 1", "400 invalid size parameters values: pieces of 0 bytes never reach total "
				  "(accepted: max from 1)" },
		{ "1 1 1 0 1 1", "400 invalid time intervals values: min_int 0, max_int 1, total_time 1 "
				 "ms (accepted: 1 <= min_int <= max_int <= total_time)" },
		{ "1 1 1 2 1 5", "400 invalid time intervals values" },
		{ "1 1 1 1 6 5", "400 invalid time intervals values" },
	};

	for (size_t i = 0; i < COUNT(refused); i++) {
		char whole[80];

		snprintf(whole, sizeof(whole), "mt.mem_test_start %s", refused[i][0]);
		recorder_expect_beginning(whole, refused[i][1]);
	}
	ck_assert_ptr_null(sched_below(SCHED_NEWEST));
}
END_TEST

START_TEST(test_that_is_not_there_is_not_found)
{
	static const char *const lines[] = { "mt.mem_test_stop 999999", "mt.mem_test_destroy 999999",
					     "mt.mem_test_list 999999" };

	for (size_t i = 0; i < COUNT(lines); i++)
		recorder_expect(lines[i], "400 test 999999 not found (mt.mem_test_list shows all)");
	ck_assert_int_eq(recorder_refusal(), RPC_REFUSED);
}
END_TEST

/* A test that has run one tick, by hand. */
static uint64_t start_and_tick(const char *arguments)
{
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t id = start(arguments);

	test_tick(sched_find(id));
	ck_assert(test_advance(sched_find(id), &slice));
	return id;
}

START_TEST(stop_keeps_and_destroy_forgets)
{
	uint64_t id = start_and_tick("100 100 1000 1h 1h 2h");

	recorder_expect(with_id("mt.mem_test_stop %" PRIu64, id), "");
	recorder_expect(with_id("mt.mem_test_stop %" PRIu64, id), "");
	recorder_expect("mt.mem_used", "100");
	recorder_expect(with_id("mt.mem_test_destroy %" PRIu64, id), "");
	recorder_expect("mt.mem_used", "0");
	recorder_expect_beginning(with_id("mt.mem_test_destroy %" PRIu64, id), "400 test ");
	recorder_expect("mt.mem_test_list", "[]");
}
END_TEST

START_TEST(destroy_all_takes_no_id)
{
	uint64_t id = start_and_tick("100 100 1000 1h 1h 2h");

	start_and_tick("5 5 10 1h 1h 2h");
	recorder_expect_beginning(with_id("mt.mem_test_destroy_all %" PRIu64, id),
				  "400 too many arguments: '");
	ck_assert_ptr_nonnull(strstr(recorder_call(line), "mt.mem_test_destroy destroys one test"));
	recorder_expect("mt.mem_used", "105");
	recorder_expect("mt.mem_test_destroy_all", "");
	recorder_expect("mt.mem_used", "0");
	recorder_expect("mt.mem_test_list", "[]");
	recorder_expect("mt.mem_test_destroy_all", "");
}
END_TEST

START_TEST(list_has_the_specifications_fields_then_ours)
{
	uint64_t id = start_and_tick("2 2 5 1h 1h 2h k");
	struct test *t = sched_find(id);
	char expected[400];

	snprintf(expected, sizeof(expected),
		 "[{id=%" PRIu64 " run_time_s=3 remaining_s=0 allocations=1 errors=0 overflows=0 "
		 "total_alloc=2048 min=2048 max=2048 total=5120 reallocs=0 corruptions=0 held=2048 "
		 "allocated=%" PRIu64 " resident=%" PRIu64 " shape='cycle' kind='heap' where='thread' pending=0 state='stopped' "
		 "sequence='%016" PRIx64 "' refusal=''}]",
		 id, t->pool.allocated, t->pool.allocated, t->stats.sequence);
	ck_assert_uint_ge(t->pool.allocated, 2048);
	sched_stop(t);
	t->over_ns = t->start_ns + 3999 * NS_PER_MS;
	recorder_expect(with_id("mt.mem_test_list %" PRIu64, id), expected);
	recorder_expect("mt.mem_test_list", expected);
	ck_assert_ptr_nonnull(strstr(recorder_call(with_id("mt.mem_test_list %" PRIu64 " k", id)),
				     " total_alloc=2 min=2 max=2 total=5 "));
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.mem_test_list unit=k"), " held=2 "));
}
END_TEST

START_TEST(list_is_newest_first_and_whole)
{
	uint64_t last = 0;
	const char *at;

	for (int i = 0; i < 2000; i++) /* more than one part of a listing */
		last = start("1 1 1 1h 1h 2h");
	at = recorder_call("mt.mem_test_list");
	for (uint64_t id = last; id > last - 2000; id--) {
		at = strstr(at, "{id=");
		ck_assert_ptr_nonnull(at);
		at += 4;
		ck_assert_uint_eq(strtoull(at, NULL, 10), id);
	}
	ck_assert_ptr_null(strstr(at, "{id="));
}
END_TEST

UNIT_SUITE(cmd_test, start_answers_the_id_and_keeps_the_plan, plans_that_cannot_be_are_refused,
	   test_that_is_not_there_is_not_found, stop_keeps_and_destroy_forgets,
	   destroy_all_takes_no_id, list_has_the_specifications_fields_then_ours,
	   list_is_newest_first_and_whole)
