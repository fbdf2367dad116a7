/* SPDX-License-Identifier: BSD-2-Clause */
/* The unit tests: one file and one suite for each module, linked with the library's objects and
   mtctl's, without the doorway and main. CK_RUN_SUITE=chunk runs one suite, MT_SEED=N repeats a random test. */
#ifndef MT_TESTS_UNIT_H
#define MT_TESTS_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prng.h"
#include "inject/chunk.h"
#include "inject/job.h"

/* One name a suite; a new test file is one more here. */
#define UNIT_SUITES(SUITE) \
	SUITE(buf) SUITE(clock) SUITE(json) SUITE(kernel) SUITE(label) SUITE(log) SUITE(log_file) SUITE(nearest) SUITE(pool) \
	SUITE(prng) SUITE(quote) SUITE(rundir) SUITE(rundir_names) SUITE(signals) SUITE(units) SUITE(utf8) \
	SUITE(boot) SUITE(lacking) SUITE(object) SUITE(real) SUITE(trim) \
	SUITE(adopt) SUITE(budget) SUITE(bulk_alloc) SUITE(bulk_free) SUITE(chunk) SUITE(content) \
	SUITE(gate) SUITE(hand) SUITE(job) SUITE(leak) SUITE(lease) SUITE(ramp) SUITE(record) SUITE(sched) SUITE(system) SUITE(test) SUITE(transit) SUITE(check) SUITE(resize) \
	SUITE(access) SUITE(cmd_cfg) SUITE(cmd_mem) SUITE(cmd_system) SUITE(cmd_test) SUITE(codec) SUITE(codec_request) \
	SUITE(command) SUITE(fork) SUITE(life) SUITE(name) SUITE(rights) SUITE(rpc) SUITE(server) SUITE(server_places) SUITE(setting) SUITE(size) SUITE(sleep) SUITE(socket) SUITE(stop) SUITE(thread) SUITE(wire_binrpc) SUITE(cmd_leak) \
	SUITE(wire_json) SUITE(wire_text) \
	SUITE(ask) SUITE(effort) SUITE(link) SUITE(regular) SUITE(role) SUITE(verify) SUITE(workers) \
	SUITE(layers)

#define UNIT_DECLARE(name) Suite *name##_suite(void);
UNIT_SUITES(UNIT_DECLARE)

/* Defines a file's suite from its tests, all of which run between unit_begin and unit_end. */
#define UNIT_SUITE_TAGGED(name, tags, ...) \
	Suite *name##_suite(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
		return unit_suite(#name, tags, tests, COUNT(tests)); \
	}
#define UNIT_SUITE(name, ...) UNIT_SUITE_TAGGED(name, "", __VA_ARGS__)
Suite *unit_suite(const char *name, const char *tags, const TTest *const tests[], size_t count);

/* The tag of suites whose tests need a process each, for they give up what none gets back: its user, a limit, a life. */
#define UNIT_GIVES_UP "gives_up"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Before each test: the allocator is known, settings have known values, budgets are off. */
void unit_begin(void);

/* After each test: what it left is freed, and nothing may then be held. */
void unit_end(void);

/* A generator for a random test, with its seed printed. */
struct prng unit_random(const char *test);

/* For who waits for another thread: on a busy machine sched_yield would give up a whole turn each time. */
void unit_moment(void);

/* A job that tells when it is done. */
struct unit_job {
	struct job job;
	bool done;
};
struct job *unit_job(struct unit_job *u);

/* Runs tests and jobs until this one is done; a slice of 0 ends after each step. */
void unit_run(struct unit_job *u, uint64_t slice_ns);

/* Allocates one chunk into the hand pool. */
void unit_hold(uint64_t size);

/* A test that cycles. */
#define UNIT_PLAN(min, max, total, min_interval, max_interval, time) \
	{ .min_bytes = (min), .max_bytes = (max), .total_bytes = (total), .min_ms = (min_interval), \
	  .max_ms = (max_interval), .time_ms = (time) }

/* Goes on with a test's tick until it is complete. */
struct test;
void unit_advance(struct test *t, struct slice slice);

/* Frees what a test holds that no table knows; none of it may be damaged. */
void unit_free_test(struct test *t);

/* Takes one chunk out of a pool that has some: at either end, or from anywhere. */
struct chunk unit_take_one(struct chunk_pool *pool, struct prng *random);

/* A slice that is over already: each step stops at its first chance. */
#define UNIT_NO_TIME ((struct slice){ .until_ns = 0 })
#define UNIT_MUCH_TIME ((struct slice){ .until_ns = UINT64_MAX })

/* A new empty directory, its path in `path`; unit_remove removes it with the files in it. */
#define UNIT_PATH_MAX 128
void unit_directory(char path[UNIT_PATH_MAX]);
void unit_remove(const char *path);

#endif
