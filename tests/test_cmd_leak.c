/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.leak_start: the plan that it makes, and what it refuses. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "inject/bulk.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

static struct test *start(const char *arguments)
{
	char line[120];
	struct test *t;

	snprintf(line, sizeof(line), "mt.leak_start %s", arguments);
	t = sched_find(strtoull(recorder_call(line), NULL, 10));
	ck_assert_msg(t, "%s: %s", line, recorder_call(line));
	return t;
}

START_TEST(plain_leak_is_a_rate_of_the_heap_without_an_end)
{
	const struct test_plan *p = &start("1m")->plan;

	ck_assert_uint_eq(p->rate_bytes, MIB);
	ck_assert_uint_eq(p->min_bytes, 64 * KIB);
	ck_assert_uint_eq(p->max_bytes, 64 * KIB);
	ck_assert_uint_eq(p->total_bytes, UINT64_MAX);
	ck_assert_uint_eq(p->time_ms, TEST_NO_END);
	ck_assert_int_eq(p->shape, SHAPE_RATE);
	ck_assert_int_eq(p->kind, KIND_HEAP);
}
END_TEST

START_TEST(words_and_sizes_reach_the_plan)
{
	static const struct {
		const char *arguments;
		struct test_plan plan;
	} cases[] = {
		{ "1 10m shape=step kind=shmem",
		  { .rate_bytes = 1, .total_bytes = 10 * MIB, .max_bytes = MIB, .shape = SHAPE_STEP,
		    .kind = KIND_SHMEM, .time_ms = TEST_NO_END } },
		{ "rate=3k kind=untouched time=10m",
		  { .rate_bytes = 3 * KIB, .total_bytes = UINT64_MAX, .max_bytes = MIB, .shape = SHAPE_RATE,
		    .kind = KIND_UNTOUCHED, .time_ms = 600000 } },
		{ "1 100 2 exp 2s mmap thread 1h m",
		  { .rate_bytes = MIB, .total_bytes = 100 * MIB, .max_bytes = 2 * MIB, .shape = SHAPE_EXP,
		    .kind = KIND_MMAP, .time_ms = 3600000, .period_ms = 2000 } },
		{ "1g size=1 shape=rate kind=heap",
		  { .rate_bytes = 1024 * MIB, .total_bytes = UINT64_MAX, .max_bytes = 1, .shape = SHAPE_RATE,
		    .kind = KIND_HEAP, .time_ms = TEST_NO_END } },
		/* A period of 0 is none: only so can what follows it be given by place. */
		{ "1m 2m 64k rate 0 mmap thread 1h",
		  { .rate_bytes = MIB, .total_bytes = 2 * MIB, .max_bytes = 64 * KIB, .shape = SHAPE_RATE,
		    .kind = KIND_MMAP, .time_ms = 3600000 } },
		{ "1 2m 1m step 0 shmem",
		  { .rate_bytes = 1, .total_bytes = 2 * MIB, .max_bytes = MIB, .shape = SHAPE_STEP,
		    .kind = KIND_SHMEM, .time_ms = TEST_NO_END } },
		{ "1 limit=4k size=4k kind=mmap",
		  { .rate_bytes = 1, .total_bytes = 4 * KIB, .max_bytes = 4 * KIB, .shape = SHAPE_RATE,
		    .kind = KIND_MMAP, .time_ms = TEST_NO_END } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_plan *p = &start(cases[i].arguments)->plan, *wanted = &cases[i].plan;

		ck_assert_uint_eq(p->rate_bytes, wanted->rate_bytes);
		ck_assert_uint_eq(p->total_bytes, wanted->total_bytes);
		ck_assert_uint_eq(p->min_bytes, wanted->max_bytes);
		ck_assert_uint_eq(p->max_bytes, wanted->max_bytes);
		ck_assert_int_eq(p->shape, wanted->shape);
		ck_assert_int_eq(p->kind, wanted->kind);
		ck_assert_uint_eq(p->time_ms, wanted->time_ms);
		ck_assert_uint_eq(p->period_ms, wanted->period_ms);
	}
}
END_TEST

START_TEST(leak_without_a_rate_is_a_ramp_whose_chunks_suit_it)
{
	static const struct {
		const char *arguments;
		uint64_t limit, size, ms;
		enum kind kind;
	} cases[] = {
		{ "limit=2g time=10m", 2048 * MIB, 64 * KIB, 600000, KIND_HEAP },
		{ "limit=2g time=10m shape=rate kind=shmem", 2048 * MIB, MIB, 600000, KIND_SHMEM },
		{ "limit=2g time=10m kind=untouched", 2048 * MIB, MIB, 600000, KIND_UNTOUCHED },
		/* Small ones in 256 steps, as far as the kind has such chunks. */
		{ "limit=256k time=1s", 256 * KIB, KIB, 1000, KIND_HEAP },
		{ "limit=256k time=1s kind=mmap", 256 * KIB, 4 * KIB, 1000, KIND_MMAP },
		{ "limit=100 time=1ms", 100, 1, 1, KIND_HEAP },
		{ "limit=1m time=10m kind=untouched", MIB, 256 * KIB, 600000, KIND_UNTOUCHED },
		/* Fast ones in a thousand steps a second. */
		{ "limit=10000m time=1s kind=mmap", 10000 * MIB, 5 * MIB, 1000, KIND_MMAP },
		{ "limit=2g size=1000 time=1m", 2048 * MIB, 1000, 60000, KIND_HEAP },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_plan *p = &start(cases[i].arguments)->plan;

		ck_assert_msg(p->max_bytes == cases[i].size, "%s: chunks of %ju", cases[i].arguments, (uintmax_t)p->max_bytes);
		ck_assert_uint_eq(p->min_bytes, cases[i].size);
		ck_assert_uint_eq(p->total_bytes, cases[i].limit);
		ck_assert_uint_eq(p->ramp_ms, cases[i].ms);
		ck_assert_uint_eq(p->time_ms, TEST_NO_END);
		ck_assert_int_eq(p->shape, SHAPE_RAMP);
		ck_assert_int_eq(p->kind, cases[i].kind);
		ck_assert_ptr_nonnull(strstr(recorder_call("mt.mem_test_list"), " shape='ramp' "));
	}
}
END_TEST

START_TEST(limit_may_be_a_share_of_the_memory)
{
	uint64_t whole = start("limit=100% time=1h")->plan.total_bytes, half = start("limit=50% time=1h")->plan.total_bytes;

	ck_assert_uint_gt(whole, MIB);
	ck_assert_uint_eq(half, whole / 2);
	ck_assert_uint_eq(start("1m limit=50%")->plan.total_bytes, half);
}
END_TEST

START_TEST(what_cannot_be_is_refused_and_changes_nothing)
{
	/* The arguments, how the refusal begins, and what it names. */
	static const char *const refused[][3] = {
		{ "", "400 error at parameter 0: ", "rate is missing (usage: mt.leak_start rate [limit] [size]" },
		{ "limit=1m", "400 error at parameter 0: ", "rate is missing" },
		{ "time=10m", "400 error at parameter 0: ", "without rate a ramp: limit and time" },
		{ "limit=1m size=64k unit=k", "400 error at parameter 0: ", "rate is missing" },
		{ "limit=1m time=1s shape=step", "400 error at parameter 0: ", "limit and time, shape=rate)" },
		{ "limit=1m time=1s shape=exp period=1s", "400 error at parameter 0: ", "rate is missing" },
		{ "limit=1m time=1s period=1s", "400 invalid time intervals values: only shape=exp ", "" },
		{ "limit=1m time=0", "400 invalid time intervals values: time 0 ", "from 1 ms" },
		{ "limit=0 time=1s", "400 invalid size parameters values: limit 0 ", "" },
		{ "limit=100k time=1s kind=untouched", "400 invalid size parameters values: limit 102400 ", "" },
		{ "limit=1m time=1s size=2m", "400 invalid size parameters values: limit 1048576 ", "" },
		{ "limit=101% time=1s", "400 error at parameter 1: ", "limit '101%' is more than all of the memory" },
		{ "limit=0% time=1s", "400 error at parameter 1: ", "above 0% and up to 100%" },
		{ "limit=25% time=1s unit=k", "400 error at parameter 1: ", "limit '25%' is a percentage and takes no unit" },
		{ "x", "400 error at parameter 0: ", "rate 'x'" },
		{ "-1", "400 error at parameter 0: ", "rate '-1'" },
		{ "0", "400 invalid parameter values: rate 0 ", "from 1 byte a second" },
		{ "0 10m shape=step", "400 invalid parameter values: rate 0 ", "" },
		{ "1m shape=ramp", "400 error at parameter 3: ",
		  "shape 'ramp' is none of them (accepted: rate|step|exp)" },
		{ "1m shape=", "400 error at parameter 3: ", "(accepted: rate|step|exp)" },
		{ "1m shape=ra", "400 error at parameter 3: ", "(accepted: rate|step|exp)" },
		{ "1m shape=rate|step", "400 error at parameter 3: ", "(accepted: rate|step|exp)" },
		{ "1m shape=cycle", "400 error at parameter 3: ", "(accepted: rate|step|exp)" },
		{ "1m kind=stack", "400 error at parameter 5: ",
		  "kind 'stack' is none of them (accepted: heap|untouched|mmap|shmem)" },
		{ "1m 65535", "400 invalid size parameters values: limit 65535 ", "a chunk of 65536 bytes" },
		{ "1m 0", "400 invalid size parameters values: limit 0 ", "" },
		{ "1m 64k kind=shmem", "400 invalid size parameters values: limit 65536 ", "of 1048576 bytes" },
		{ "1m size=0", "400 invalid size parameters values: size 0 ", "1 to 17592186044415 bytes" },
		{ "1m size=16t", "400 invalid size parameters values: size 17592186044416 ", "" },
		{ "1m size=262143 kind=untouched", "400 invalid size parameters values: size 262143 ",
		  "262144 to 17592186044415 bytes" },
		{ "1m size=4095 kind=mmap", "400 invalid size parameters values: size 4095 ", "4096 to " },
		{ "1m size=4095 kind=shmem", "400 invalid size parameters values: size 4095 ",
		  "4096 to 16777216 bytes" },
		{ "1m size=16777217 kind=shmem", "400 invalid size parameters values: size 16777217 ", "" },
		{ "1m shape=step", "400 invalid parameter values: shape step ", "needs a limit" },
		{ "1m shape=exp", "400 invalid time intervals values: shape exp ", "needs a period from 1 ms" },
		{ "1m shape=exp period=0", "400 invalid time intervals values: shape exp ", "" },
		{ "1m period=1s", "400 invalid time intervals values: only shape=exp ",
		  "(accepted: 0, or none)" },
		{ "1m 1m shape=step period=1s", "400 invalid time intervals values: only shape=exp ", "" },
		{ "1m time=0", "400 invalid time intervals values: time 0 ", "from 1 ms" },
		{ "1m time=soon", "400 error at parameter 7: ", "time 'soon'" },
		{ "1 1 1 rate 1s heap thread 1s k more", "400 too many arguments: 'more' ", "usage: mt.leak_start" },
		{ "1m rat=1", "400 unknown argument: 'rat' ", "usage: mt.leak_start" },
		{ "rate=1m rate=2m", "400 argument given twice: 'rate' ", "" },
		{ "1m 1m x", "400 error at parameter 2: ", "size 'x'" },
		{ "1 10 unit=q", "500 ", "b|k|m|g" },
	};

	for (size_t i = 0; i < COUNT(refused); i++) {
		char line[120];

		snprintf(line, sizeof(line), "mt.leak_start %s", refused[i][0]);
		recorder_expect_beginning(line, refused[i][1]);
		ck_assert_msg(strstr(recorder_call(line), refused[i][2]), "%s: \"%s\" names no \"%s\"", line,
			      recorder_call(line), refused[i][2]);
	}
	ck_assert_ptr_null(sched_below(SCHED_NEWEST));
	recorder_expect("mt.mem_used", "0");
	recorder_expect("mt.mem_test_list", "[]");
}
END_TEST

/* In unit tests malloc does not pass through us: of the heap where=host is not possible at all. */
START_TEST(where_is_of_the_heap_alone)
{
	static const char *const mappings[] = { "mmap", "shmem" }, *const heap[] = { "heap", "untouched" };
	char line[120], wanted[120];

	for (size_t i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "mt.leak_start 1 kind=%s where=host", mappings[i]);
		snprintf(wanted, sizeof(wanted), "400 where=host is not possible with kind=%s: our thread makes ", mappings[i]);
		recorder_expect_beginning(line, wanted);
		snprintf(line, sizeof(line), "1 kind=%s where=thread", mappings[i]);
		ck_assert_int_eq(start(line)->plan.where, WHERE_THREAD);
		atomic_store(&bulk_where, WHERE_HOST);
		snprintf(line, sizeof(line), "1 kind=%s", mappings[i]);
		ck_assert_int_eq(start(line)->plan.where, WHERE_THREAD);
		snprintf(line, sizeof(line), "1 kind=%s where=thread", heap[i]);
		ck_assert_int_eq(start(line)->plan.where, WHERE_THREAD);
		snprintf(line, sizeof(line), "mt.leak_start 1 kind=%s", heap[i]);
		recorder_expect_beginning(line, "400 where=host is not possible here: ");
		atomic_store(&bulk_where, WHERE_THREAD);
	}
}
END_TEST

START_TEST(leak_is_listed_stopped_and_destroyed_as_a_test)
{
	struct test *t = start("1 100k shape=step");
	uint64_t id = t->id;
	char line[60];

	for (int i = 0; t->pool.bytes < 100 * KIB; i++) {
		ck_assert_int_lt(i, 1000);
		sched_run(NS_PER_S);
	}
	snprintf(line, sizeof(line), "mt.mem_test_list %" PRIu64 " k", id);
	ck_assert_ptr_nonnull(strstr(recorder_call(line), " remaining_s=0 allocations=2 errors=0 overflows=0 "
							  "total_alloc=100 min=64 max=64 total=100 "));
	ck_assert_ptr_nonnull(strstr(recorder_call(line), " held=100 "));
	ck_assert_ptr_nonnull(strstr(recorder_call(line), " shape='step' kind='heap' where='thread' pending=0 state='running' "));
	snprintf(line, sizeof(line), "mt.mem_test_stop %" PRIu64, id);
	recorder_expect(line, "");
	recorder_expect("mt.mem_used k", "100");
	snprintf(line, sizeof(line), "mt.mem_test_destroy %" PRIu64, id);
	recorder_expect(line, "");
	recorder_expect("mt.mem_used", "0");
	recorder_expect_beginning(line, "400 test ");
	ck_assert_ptr_nonnull(strstr(recorder_call(line), " not found"));
	snprintf(line, sizeof(line), "mt.mem_test_list %" PRIu64, id);
	recorder_expect_beginning(line, "400 test ");
	ck_assert_uint_eq(start("1")->id, id + 1);
}
END_TEST

START_TEST(kinds_and_shapes_are_listed_by_their_words)
{
	static const char *const kinds[] = { "heap", "untouched", "mmap", "shmem" };
	static const char *const shapes[] = { "rate", "exp period=1s" };

	for (size_t i = 0; i < 2 * COUNT(kinds); i++) {
		char line[120], wanted[120];
		uint64_t id;

		snprintf(line, sizeof(line), "1 kind=%s shape=%s", kinds[i / 2], shapes[i % 2]);
		id = start(line)->id;
		snprintf(line, sizeof(line), "mt.mem_test_list %" PRIu64, id);
		snprintf(wanted, sizeof(wanted), " shape='%.*s' kind='%s' where='thread' pending=0 state='running' ",
			 (int)strcspn(shapes[i % 2], " "), shapes[i % 2], kinds[i / 2]);
		ck_assert_msg(strstr(recorder_call(line), wanted), "%s: no %s", recorder_call(line), wanted);
	}
}
END_TEST

UNIT_SUITE(cmd_leak, plain_leak_is_a_rate_of_the_heap_without_an_end, words_and_sizes_reach_the_plan,
	   leak_without_a_rate_is_a_ramp_whose_chunks_suit_it, limit_may_be_a_share_of_the_memory,
	   what_cannot_be_is_refused_and_changes_nothing, where_is_of_the_heap_alone, leak_is_listed_stopped_and_destroyed_as_a_test,
	   kinds_and_shapes_are_listed_by_their_words)
