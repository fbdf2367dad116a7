/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.leak_start: a test that only grows. */
#include <inttypes.h>

#include "control/cmd.h"
#include "host/real.h"
#include "inject/bulk.h"
#include "inject/sched.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

/* By kind: the size of a chunk where none is given, and which are accepted. Blocks below a few pages become
   resident by their headers; a mapping takes whole pages, and each shared one a place in the kernel's list of
   65,530; it is unmapped in one call, which at 16 MiB takes a millisecond. */
static const struct {
	uint64_t usual, least, most;
} sizes[] = {
	[KIND_HEAP] = { 64 * KIB, 1, CHUNK_BYTES_MAX },
	[KIND_UNTOUCHED] = { MIB, 256 * KIB, CHUNK_BYTES_MAX },
	[KIND_MMAP] = { 64 * KIB, 4 * KIB, CHUNK_BYTES_MAX },
	[KIND_SHMEM] = { MIB, 4 * KIB, 16 * MIB },
};

bool where_is_possible(uint64_t where, struct reply *r)
{
	if (where == WHERE_THREAD || real_in_path())
		return true;
	reply_fault(r, 400,
		    "where=host is not possible here: the calls of this program's malloc do not pass through us "
		    "(mt.info: in_path; accepted: thread)");
	return false;
}

/* Mappings are our thread's in any case: the setting, which is for all that is allocated, does not mean them, but who asks
   for such a leak is not to believe that he has it. */
static bool choose_where(const struct args *a, struct test_plan *p, struct reply *r)
{
	bool given = arg_given(a, "where");

	p->where = (enum where)(given ? arg_number(a, "where") : atomic_load(&bulk_where));
	if (kind_is_of_heap(p->kind))
		return where_is_possible(p->where, r);
	if (given && p->where == WHERE_HOST) {
		reply_fault(r, 400,
			    "where=host is not possible with kind=%s: our thread makes the mappings (accepted: where=thread, "
			    "or kind=heap or untouched)",
			    arg_text(a, "kind"));
		return false;
	}
	p->where = WHERE_THREAD;
	return true;
}

static bool sizes_are_valid(const struct args *a, const struct test_plan *p, struct reply *r)
{
	uint64_t size = p->max_bytes;

	if (size < sizes[p->kind].least || size > sizes[p->kind].most)
		reply_fault(r, 400,
			    "invalid size parameters values: size %" PRIu64 " (accepted for this kind: %" PRIu64
			    " to %" PRIu64 " bytes)",
			    size, sizes[p->kind].least, sizes[p->kind].most);
	else if (size > p->total_bytes)
		reply_fault(r, 400,
			    "invalid size parameters values: limit %" PRIu64 " is below a chunk of %" PRIu64
			    " bytes (accepted: size <= limit)",
			    p->total_bytes, size);
	else if (p->rate_bytes == 0 && p->shape != SHAPE_RAMP)
		reply_fault(r, 400, "invalid parameter values: rate 0 never leaks (accepted: from 1 byte a second)");
	else if (p->shape == SHAPE_STEP && !arg_given(a, "limit"))
		reply_fault(r, 400, "invalid parameter values: shape step needs a limit, which it takes at once");
	else
		return true;
	return false;
}

static bool times_are_valid(const struct args *a, const struct test_plan *p, struct reply *r)
{
	bool doubles = p->shape == SHAPE_EXP, ramp = p->shape == SHAPE_RAMP;

	if (doubles && p->period_ms == 0)
		reply_fault(r, 400,
			    "invalid time intervals values: shape exp needs a period from 1 ms, after which the "
			    "rate doubles");
	else if (!doubles && arg_number(a, "period") != 0)
		reply_fault(r, 400,
			    "invalid time intervals values: only shape=exp has a period (accepted: 0, or none)");
	else if (ramp && p->ramp_ms == 0)
		reply_fault(r, 400, "invalid time intervals values: time 0 (accepted: from 1 ms, after which a ramp is at its limit)");
	else if (p->time_ms == 0)
		reply_fault(r, 400, "invalid time intervals values: time 0 (accepted: from 1 ms, or none: no end)");
	else
		return true;
	return false;
}

/* Without a rate: from limit and time. */
static bool choose_shape(const struct args *a, struct test_plan *p, struct reply *r)
{
	bool ramp = arg_given(a, "limit") && arg_given(a, "time");

	/* In the order of the signature's words; a test that cycles is no leak. */
	p->shape = (enum shape)(SHAPE_RATE + arg_number(a, "shape"));
	if (arg_given(a, "rate"))
		return true;
	if (ramp && p->shape == SHAPE_RATE) {
		p->shape = SHAPE_RAMP;
		p->ramp_ms = p->time_ms;
		p->time_ms = TEST_NO_END;
		return true;
	}
	r->refusal = RPC_BAD_ARGS;
	reply_fault(r, 400,
		    "error at parameter 0: expected integer type but end of packet encountered: rate is missing (usage: "
		    "mt.leak_start rate [limit] [size] [shape] [period] [kind] [where] [time] [unit]; without rate a ramp: limit "
		    "and time, shape=rate)");
	return false;
}

/* Of a ramp: at least RAMP_STEPS steps, as far as the kind allows, and at most RAMP_RATE a second. */
#define RAMP_STEPS 256
#define RAMP_RATE 1000

static uint64_t usual_size(const struct test_plan *p)
{
	uint64_t size = sizes[p->kind].usual, seconds = p->ramp_ms / 1000 + 1;

	if (p->shape != SHAPE_RAMP)
		return size;
	if (size > p->total_bytes / RAMP_STEPS)
		size = p->total_bytes / RAMP_STEPS;
	if (size < p->total_bytes / RAMP_RATE / seconds)
		size = p->total_bytes / RAMP_RATE / seconds;
	if (size < sizes[p->kind].least)
		size = sizes[p->kind].least;
	return size < sizes[p->kind].most ? size : sizes[p->kind].most;
}

void cmd_leak_start(const struct args *a, struct reply *r)
{
	struct test_plan plan = {
		.total_bytes = arg_given(a, "limit") ? arg_number(a, "limit") : UINT64_MAX,
		.time_ms = arg_given(a, "time") ? arg_number(a, "time") : TEST_NO_END,
		.kind = (enum kind)arg_number(a, "kind"),
		.rate_bytes = arg_number(a, "rate"),
		.period_ms = arg_number(a, "period"),
	};
	uint64_t id;

	if (!choose_shape(a, &plan, r))
		return;
	plan.max_bytes = arg_given(a, "size") ? arg_number(a, "size") : usual_size(&plan);
	plan.min_bytes = plan.max_bytes;
	if (!choose_where(a, &plan, r) || !sizes_are_valid(a, &plan, r) || !times_are_valid(a, &plan, r))
		return;
	if (sched_start(&plan, &id) < 0)
		reply_fault(r, 400, "memory allocation failed: no memory for another test");
	else
		reply_number(r, NULL, id);
}
