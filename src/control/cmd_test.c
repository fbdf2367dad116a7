/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_test_*: timed tests. */
#include <inttypes.h>

#include "base/clock.h"
#include "control/cmd.h"
#include "inject/bulk.h"
#include "inject/sched.h"

/* A long listing goes out in parts, each once this much of the one before has left. */
#define PART_BYTES ((size_t)128 << 10)

static bool sizes_are_valid(const struct test_plan *p, struct reply *r)
{
	if (p->min_bytes > p->max_bytes || p->max_bytes > p->total_bytes)
		reply_fault(r, 400,
			    "invalid size parameters values: min %" PRIu64 ", max %" PRIu64
			    ", total %" PRIu64 " bytes (accepted: min <= max <= total)",
			    p->min_bytes, p->max_bytes, p->total_bytes);
	else if (p->max_bytes == 0)
		reply_fault(r, 400,
			    "invalid size parameters values: pieces of 0 bytes never reach total "
			    "(accepted: max from 1)");
	else
		return true;
	return false;
}

static bool times_are_valid(const struct test_plan *p, struct reply *r)
{
	if (p->min_ms > 0 && p->min_ms <= p->max_ms && p->max_ms <= p->time_ms)
		return true;
	reply_fault(r, 400,
		    "invalid time intervals values: min_int %" PRIu64 ", max_int %" PRIu64
		    ", total_time %" PRIu64 " ms (accepted: 1 <= min_int <= max_int <= total_time)",
		    p->min_ms, p->max_ms, p->time_ms);
	return false;
}

void cmd_mem_test_start(const struct args *a, struct reply *r)
{
	struct test_plan plan = {
		.min_bytes = arg_number(a, "min"),
		.max_bytes = arg_number(a, "max"),
		.total_bytes = arg_number(a, "total"),
		.min_ms = arg_number(a, "min_int"),
		.max_ms = arg_number(a, "max_int"),
		.time_ms = arg_number(a, "total_time"),
		.where = (enum where)atomic_load(&bulk_where),
	};
	uint64_t id;

	if (!where_is_possible(plan.where, r) || !sizes_are_valid(&plan, r) || !times_are_valid(&plan, r))
		return;
	if (sched_start(&plan, &id) < 0)
		reply_fault(r, 400, "memory allocation failed: no memory for another test");
	else
		reply_number(r, NULL, id);
}

/* The test that `id` names, or NULL with the fault sent. */
static struct test *find_or_fault(const struct args *a, struct reply *r)
{
	uint64_t id = arg_number(a, "id");
	struct test *t = sched_find(id);

	if (!t)
		reply_fault(r, 400, "test %" PRIu64 " not found (mt.mem_test_list shows all)", id);
	return t;
}

void cmd_mem_test_stop(const struct args *a, struct reply *r)
{
	struct test *t = find_or_fault(a, r);

	if (t)
		sched_stop(t);
}

static void answer_nothing(struct reply *r)
{
	(void)r;
}

void cmd_mem_test_destroy(const struct args *a, struct reply *r)
{
	struct test *t = find_or_fault(a, r);

	if (t)
		bulk_destroy(reply_defer(r, answer_nothing), t);
}

void cmd_mem_test_destroy_all(const struct args *a, struct reply *r)
{
	if (arg_given(a, "id"))
		reply_fault(r, 400,
			    "too many arguments: '%.100s' (mt.mem_test_destroy destroys one test, "
			    "mt.mem_test_destroy_all takes no id)",
			    arg_text(a, "id"));
	else
		bulk_destroy(reply_defer(r, answer_nothing), NULL);
}

static const char *const shapes[] = {
	[SHAPE_CYCLE] = "cycle",
	[SHAPE_RATE] = "rate",
	[SHAPE_STEP] = "step",
	[SHAPE_EXP] = "exp",
	[SHAPE_RAMP] = "ramp",
};

static const char *const kinds[] = {
	[KIND_HEAP] = "heap",
	[KIND_UNTOUCHED] = "untouched",
	[KIND_MMAP] = "mmap",
	[KIND_SHMEM] = "shmem",
};

static void list_one(struct reply *r, const struct test *t, uint64_t now_ns)
{
	reply_open(r, NULL, '{');
	reply_number(r, "id", t->id);
	reply_number(r, "run_time_s", test_run_ms(t, now_ns) / 1000);
	reply_number(r, "remaining_s", test_remaining_ms(t, now_ns) / 1000);
	reply_number(r, "allocations", t->stats.calls);
	reply_number(r, "errors", t->stats.errors);
	reply_number(r, "overflows", t->stats.overflows);
	reply_number(r, "total_alloc", t->stats.bytes >> r->shift);
	reply_number(r, "min", t->plan.min_bytes >> r->shift);
	reply_number(r, "max", t->plan.max_bytes >> r->shift);
	reply_number(r, "total", t->plan.total_bytes == UINT64_MAX ? 0 : t->plan.total_bytes >> r->shift);
	reply_number(r, "reallocs", t->stats.reallocs);
	reply_number(r, "corruptions", t->stats.corruptions);
	reply_number(r, "held", test_held_bytes(t) >> r->shift);
	reply_number(r, "allocated", t->pool.allocated >> r->shift);
	reply_number(r, "resident", t->pool.resident >> r->shift);
	reply_text(r, "shape", shapes[t->plan.shape]);
	reply_text(r, "kind", kinds[t->plan.kind]);
	reply_text(r, "where", t->plan.where == WHERE_HOST ? "host" : "thread");
	reply_number(r, "pending", test_pending_bytes(t) >> r->shift);
	reply_text(r, "state", t->state == TEST_RUNNING ? "running" : t->state == TEST_ENDED ? "ended" : "stopped");
	reply_format(r, "sequence", "%016" PRIx64, t->stats.sequence);
	reply_text(r, "refusal", t->refusal);
	reply_close(r, '}');
}

static bool list_step(struct job *j, struct slice *slice)
{
	struct reply *r = j->owner;
	uint64_t now = clock_ns();
	struct test *t;

	while (!r->mute && (t = sched_below(r->at))) {
		if (!r->ops->whole && r->out->len >= PART_BYTES) {
			j->parked = true;
			return false;
		}
		list_one(r, t, now);
		r->at = t->id;
		if (slice_over(slice, 512))
			return false;
	}
	return true;
}

static void answer_list(struct reply *r)
{
	reply_close(r, ']');
}

void cmd_mem_test_list(const struct args *a, struct reply *r)
{
	struct test *one = NULL;
	struct job *j;

	if (arg_given(a, "id")) {
		one = find_or_fault(a, r);
		if (!one)
			return;
	}
	r->shift = a->shift;
	reply_open(r, NULL, '[');
	if (one) {
		list_one(r, one, clock_ns());
		reply_close(r, ']');
		return;
	}
	r->at = SCHED_NEWEST;
	j = reply_defer(r, answer_list);
	j->step = list_step;
	j->urgent = true;
	job_add(j);
}
