/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads /proc/PID/task/TID. */
#include "task.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"

/* The kernel's; its headers name it for some C libraries only. */
#define POLICY_DEADLINE 6
#define POLICY_RESETS 0x40000000 /* SCHED_RESET_ON_FORK, beside the policy */

enum { FIELD_STATE = 3, FIELD_PROCESSOR = 39, FIELD_PRIORITY = 40, FIELD_POLICY = 41 };

const char *task_field(const char *stat, int number)
{
	/* The name may have anything in it, so it is passed over from behind. */
	const char *at = strrchr(stat, ')');

	for (int i = FIELD_STATE - 1; at && i < number; i++)
		at = strchr(at + 1, ' ');
	return at ? at + 1 : NULL;
}

static int number(const char *stat, int field)
{
	const char *at = task_field(stat, field);

	return at ? (int)strtol(at, NULL, 10) : 0;
}

bool task_read(pid_t pid, pid_t tid, struct task *t)
{
	struct buf text = { 0 };
	char file[48];
	const char *state = NULL;
	int policy = sched_getscheduler(tid);

	*t = (struct task){ .pid = pid, .tid = tid };
	snprintf(file, sizeof(file), "task/%d/stat", (int)tid);
	if (proc_file(pid, file, &text) == 0)
		state = task_field(text.data, FIELD_STATE);
	if (state) {
		t->state = *state;
		t->processor = number(text.data, FIELD_PROCESSOR);
		t->priority = number(text.data, FIELD_PRIORITY);
		t->policy = number(text.data, FIELD_POLICY);
		t->resets = policy >= 0 && (policy & POLICY_RESETS);
		snprintf(file, sizeof(file), "task/%d/schedstat", (int)tid);
		if (proc_file(pid, file, &text) == 0) {
			char *at;

			t->ran_ns = strtoull(text.data, &at, 10);
			(void)strtoull(at, &at, 10); /* how long it has waited */
			t->turns = strtoull(at, NULL, 10);
		}
	}
	buf_free(&text);
	return state;
}

bool task_is_realtime(const struct task *t)
{
	return t->policy == SCHED_FIFO || t->policy == SCHED_RR || t->policy == POLICY_DEADLINE;
}

void task_describe(const struct task *t, char *out, unsigned cap)
{
	static const char *const names[] = { "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
					     NULL, "SCHED_IDLE", "SCHED_DEADLINE" };
	bool known = t->policy >= 0 && t->policy < (int)(sizeof(names) / sizeof(*names)) && names[t->policy];

	if (!known)
		snprintf(out, cap, "policy %d", t->policy);
	else if (t->priority)
		snprintf(out, cap, "%s at priority %d", names[t->policy], t->priority);
	else
		snprintf(out, cap, "%s", names[t->policy]);
}
