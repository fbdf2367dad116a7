/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of leaks and ramps share: tests that only grow, with the time given by hand and an allocator that gives
   nothing away. */
#ifndef MT_TESTS_SLOPE_H
#define MT_TESTS_SLOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "inject/test.h"

#define MS(n) ((n) * NS_PER_MS)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)
#define START MS(UINT64_C(5000))

/* The time, and whether the allocator refuses. */
extern uint64_t slope_now;
extern bool slope_refusing;

struct test_plan slope_plan(enum shape shape, uint64_t rate, uint64_t size, uint64_t limit, uint64_t time_ms);

/* From START, with that allocator in the place of the real one, which slope_free_held, or slope_forget where nothing is
   held, puts back. */
void slope_start(struct test *t, const struct test_plan *plan);
void slope_free_held(struct test *t);
void slope_forget(void);

/* One step, whether it is due or not. */
void slope_tick(struct test *t);

/* Runs what is due now, but not the end. */
void slope_run_due(struct test *t);

/* Punctually, until that long after the start. Fails where a moment finds the leak off its line. */
void slope_run_until(struct test *t, uint64_t ms, double (*line)(const struct test *t, double seconds));

#endif
