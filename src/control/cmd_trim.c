/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.mem_trim. */
#include "base/clock.h"
#include "control/cmd.h"
#include "control/trimmer.h"
#include "host/trim.h"
#include "inject/system.h"

#define LOOK_AGAIN_NS NS_PER_MS

/* Trims run one after the other since they share this scope. */
static const struct chunk_pool one_at_a_time;

static void answer_trim(struct reply *r)
{
	if (r->job.cancelled) {
		reply_fault(r, 409, "cancelled: a trim that has begun goes on");
		return;
	}
	reply_open(r, NULL, '{');
	reply_text(r, "how", trim_how());
	reply_number(r, "resident_before", r->at >> r->shift);
	reply_number(r, "resident_after", system_resident() >> r->shift);
	reply_close(r, '}');
}

/* One of a client that has gone may still be running, and is waited for. */
static bool trim_step(struct job *j, struct slice *slice)
{
	struct reply *r = j->owner;
	bool was_inside, gone;

	(void)slice;
	if (j->cancelled)
		return true;
	if (!j->more && !trimmer_is_running()) {
		j->more = true;
		r->at = system_resident();
		gate_block_begin();
		trim_thread();
		gate_block_end();
		trimmer_start();
	}
	if (trimmer_is_running()) {
		j->wake_ns = clock_ns() + LOOK_AGAIN_NS;
		return false;
	}
	was_inside = gate_step_out();
	gone = trimmer_wait();
	gate_step_in(was_inside);
	return gone;
}

void cmd_mem_trim(const struct args *a, struct reply *r)
{
	struct job *j = reply_defer(r, answer_trim);

	r->shift = a->shift;
	j->step = trim_step;
	j->scope = &one_at_a_time;
	job_add(j);
}
