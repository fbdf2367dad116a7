/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of work, each in a process of its own, some at a time, under one deadline. Whatever one waits for delays no other;
   it ends with us. */
#ifndef MT_CTL_WORKERS_H
#define MT_CTL_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* How many are at work at once. */
#define WORKERS_AT_ONCE 16

struct piece {
	struct buf out; /* what it had to say; the caller frees it */
	bool done;      /* it came to its end */
	pid_t worker;   /* while it is at work */
	int fd;
};

/* Does each piece of zeroed `pieces`, by `work`, which appends to `out`. Those that are not done at `deadline_ns` are left.
   Where no process can be had the work is done in ours, and may then last longer. */
void workers_run(struct piece *pieces, size_t count, void (*work)(void *context, size_t piece, struct buf *out),
		 void *context, uint64_t deadline_ns);

#endif
