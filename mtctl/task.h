/* SPDX-License-Identifier: BSD-2-Clause */
/* How the kernel schedules one thread. */
#ifndef MT_CTL_TASK_H
#define MT_CTL_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct task {
	pid_t pid, tid;
	char state;         /* as ps shows it */
	int policy;         /* SCHED_ */
	int priority;       /* of a real-time policy */
	int processor;      /* where it ran last */
	bool resets;        /* its children begin with an ordinary policy */
	uint64_t ran_ns;    /* on a processor */
	uint64_t turns;     /* how often it was given one */
};

/* False when there is no such thread. */
bool task_read(pid_t pid, pid_t tid, struct task *t);

/* Is its policy a real-time one, before which ordinary threads wait? */
bool task_is_realtime(const struct task *t);

/* "SCHED_FIFO at priority 10". */
void task_describe(const struct task *t, char *out, unsigned cap);

/* The field of this number, as proc(5) counts, in the contents of a stat file; NULL. Those behind the name only. */
const char *task_field(const char *stat, int number);

#endif
