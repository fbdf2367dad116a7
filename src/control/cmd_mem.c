/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_alloc, mem_free, mem_used, mem_rnd_alloc, mt.reset and mt.lease. */
#include <inttypes.h>

#include "control/cmd.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/check.h"
#include "inject/lease.h"

/* By mt.reset, the lease or STOP, all of which free everything, or by a client that has gone and reads no answer. */
static void fault_cancelled(struct reply *r, const char *what)
{
	reply_fault(r, 409, "cancelled: %" PRIu64 " chunks, %" PRIu64 " bytes were %s until then, and everything is being freed",
		    r->job.chunks, r->job.bytes, what);
}

static void answer_alloc(struct reply *r)
{
	struct job *j = &r->job;

	if (j->cancelled)
		fault_cancelled(r, "allocated");
	else if (j->why[0] && j->chunks)
		reply_fault(r, 400,
			    "memory allocation failed (%" PRIu64 " errors): %s; %" PRIu64 " bytes in %" PRIu64
			    " chunks were allocated and stay",
			    j->errors, j->why, j->bytes, j->chunks);
	else if (j->why[0])
		reply_fault(r, 400, "memory allocation failed (%" PRIu64 " errors): %s", j->errors, j->why);
	else if (j->pending)
		reply_fault(r, 408,
			    "where=host: the host's threads have not called malloc for a second: %" PRIu64
			    " bytes in %" PRIu64 " chunks were allocated and stay, %" PRIu64 " bytes were pending",
			    j->bytes, j->chunks, j->pending);
	else if (j->errors)
		reply_fault(r, 400,
			    "memory allocation failed (%" PRIu64 " errors): %" PRIu64
			    " bytes in %" PRIu64 " chunks were allocated and stay",
			    j->errors, j->bytes, j->chunks);
}

/* What can't fit as a whole is refused before anything is allocated. */
static void start_alloc(struct reply *r, uint64_t min, uint64_t max, uint64_t total)
{
	char why[BUDGET_WHY_MAX];

	if (!where_is_possible(atomic_load(&bulk_where), r))
		return;
	if (budget_check(total, why) < 0) {
		reply_fault(r, 400, "memory allocation failed: %s", why);
		return;
	}
	bulk_alloc(reply_defer(r, answer_alloc), min, max, total);
}

void cmd_mem_alloc(const struct args *a, struct reply *r)
{
	uint64_t size = arg_number(a, "size");

	start_alloc(r, size, size, size);
}

void cmd_mem_rnd_alloc(const struct args *a, struct reply *r)
{
	uint64_t min = arg_number(a, "min"), max = arg_number(a, "max");
	uint64_t total = arg_number(a, "total");

	if (min > max || max > total)
		reply_fault(r, 400,
			    "invalid parameter values: min %" PRIu64 ", max %" PRIu64
			    ", total %" PRIu64 " bytes (accepted: min <= max <= total)",
			    min, max, total);
	else if (max == 0)
		reply_fault(r, 400,
			    "invalid parameter values: pieces of 0 bytes never reach total "
			    "(accepted: max from 1)");
	else
		start_alloc(r, min, max, total);
}

static void answer_resized(struct reply *r)
{
	struct job *j = &r->job;

	if (j->chunks && !j->errors)
		return;
	if (j->why[0])
		reply_fault(r, 400, "memory allocation failed: %s", j->why);
	else if (j->cancelled)
		fault_cancelled(r, "resized");
	else if (j->chunks)
		reply_fault(r, 400,
			    "memory allocation failed: the allocator refused, and a chunk of %" PRIu64
			    " bytes stays as it was",
			    j->bytes);
	else
		reply_fault(r, 400, "nothing to resize (mt.mem_alloc and mt.mem_rnd_alloc fill the hand pool)");
}

void cmd_mem_realloc(const struct args *a, struct reply *r)
{
	if (arg_number(a, "size") == 0)
		reply_fault(r, 400, "invalid parameter values: size 0 would free it (accepted: size from 1)");
	else
		bulk_resize(reply_defer(r, answer_resized), arg_number(a, "size"));
}

static void answer_check(struct reply *r)
{
	const struct finding *f;

	if (r->job.cancelled) {
		fault_cancelled(r, "verified");
		return;
	}
	reply_open(r, NULL, '{');
	reply_number(r, "chunks", r->job.chunks);
	reply_number(r, "damaged", r->job.damaged);
	reply_open(r, "list", '[');
	for (unsigned i = 0; (f = check_finding(i)); i++) {
		reply_open(r, NULL, '{');
		reply_number(r, "test", f->test);
		reply_number(r, "chunk", f->chunk);
		reply_format(r, "address", "%p", f->address);
		reply_number(r, "offset", f->offset);
		reply_number(r, "expected", f->expected);
		reply_number(r, "found", f->found);
		reply_close(r, '}');
	}
	reply_close(r, ']');
	reply_close(r, '}');
}

void cmd_mem_check(const struct args *a, struct reply *r)
{
	(void)a;
	check_start(reply_defer(r, answer_check));
}

static void answer_freed(struct reply *r)
{
	if (r->job.cancelled)
		fault_cancelled(r, "freed");
	else
		reply_number(r, NULL, r->job.bytes >> r->shift);
}

void cmd_mem_free(const struct args *a, struct reply *r)
{
	struct job *j = reply_defer(r, answer_freed);

	r->shift = a->shift;
	if (arg_given(a, "size"))
		bulk_free(j, arg_number(a, "size"));
	else
		bulk_free_all(j, false);
}

void cmd_mem_used(const struct args *a, struct reply *r)
{
	reply_number(r, NULL, budget_held() >> a->shift);
}

void cmd_reset(const struct args *a, struct reply *r)
{
	(void)a;
	bulk_reset(reply_defer(r, answer_freed));
}

void cmd_lease(const struct args *a, struct reply *r)
{
	(void)r;
	lease_renew(arg_number(a, "ms"));
}
