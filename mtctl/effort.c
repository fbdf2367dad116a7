/* SPDX-License-Identifier: BSD-2-Clause */
#include "effort.h"

#include <stdio.h>

#include "base/rundir.h"

static struct {
	uint64_t whole_ns;
	uint64_t until_ns; /* 0: as long as it takes */
	uint64_t turn_from_ns, turn_until_ns; /* 0: there is no turn */
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
	effort.whole_ns = ns;
	effort.until_ns = worked_ns() + ns;
	effort.turn_until_ns = 0;
}

void effort_again(void)
{
	if (effort.until_ns)
		effort_begin(effort.whole_ns);
}

uint64_t effort_part(unsigned percent)
{
	return effort.whole_ns * percent / 100;
}

bool effort_is_limited(void)
{
	return effort.until_ns;
}

void effort_turn(uint64_t ns)
{
	effort.turn_from_ns = worked_ns();
	effort.turn_until_ns = ns ? effort.turn_from_ns + ns : 0;
}

uint64_t effort_turn_took(void)
{
	return worked_ns() - effort.turn_from_ns;
}

void effort_end(void)
{
	effort.until_ns = effort.turn_until_ns = 0;
}

bool effort_is_over(const char *where)
{
	uint64_t now;

	if (!effort.until_ns)
		return false;
	now = worked_ns();
	if (now < effort.until_ns && (!effort.turn_until_ns || now < effort.turn_until_ns))
		return false;
	if (!*effort.left_at)
		snprintf(effort.left_at, sizeof(effort.left_at), "%s", where);
	return true;
}

const char *effort_left_at(void)
{
	return *effort.left_at ? effort.left_at : NULL;
}
