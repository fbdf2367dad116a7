/* SPDX-License-Identifier: BSD-2-Clause */
/* What every part of mtctl knows: its version, its exit statuses, what its options said. */
#ifndef MT_CTL_H
#define MT_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_VERSION "0.1.0"

/* The exit status, and the "code" of mtctl's own errors in JSON. A higher one is a worse one. */
enum ctl_status {
	CTL_DONE,
	CTL_REFUSED,
	CTL_USAGE,
	CTL_UNREACHABLE,
	CTL_TIMEOUT
};

static inline int ctl_worse(int a, int b)
{
	return a > b ? a : b;
}

/* How long a reply may take; 0 is for ever. */
struct patience {
	uint64_t idle_ns;  /* until the next line of it; a long command tells of its progress in lines */
	uint64_t total_ns; /* until its end */
};

struct options {
	pid_t pid;          /* 0: not given */
	const char *name;   /* of a program; NULL: not given */
	const char *socket; /* NULL: not given */
	bool all;
	bool json;
	bool help, version;
	bool behind_dashes; /* the words behind the command stood behind a "--" */
	struct patience patience;
};

#endif
