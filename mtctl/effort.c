/* SPDX-License-Identifier: BSD-2-Clause */
#include "effort.h"

#include <stdio.h>

#include "base/rundir.h"

static struct {
	uint64_t until_ns; /* 0: as long as it takes */
	char left_at[RUNDIR_PATH_MAX];
} effort;

static uint64_t worked_ns(void)
{
	struct timespec ts = { 0 };

	kernel_clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void effort_begin(uint64_t ns)
{
	effort.until_ns = worked_ns() + ns;
}

void effort_end(void)
{
	effort.until_ns = 0;
}

bool effort_is_over(const char *where)
{
	if (!effort.until_ns || worked_ns() < effort.until_ns)
		return false;
	if (!*effort.left_at)
		snprintf(effort.left_at, sizeof(effort.left_at), "%s", where);
	return true;
}

const char *effort_left_at(void)
{
	return *effort.left_at ? effort.left_at : NULL;
}
