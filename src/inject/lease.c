/* SPDX-License-Identifier: BSD-2-Clause */
/* The dead-man switch, which control.c's loop asks each time that it wakes. */
#include "lease.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/clock.h"
#include "inject/budget.h"
#include "inject/record.h"
#include "inject/reset.h"

/* So many turns after its end: a renewal that came in time is accepted in one and read in the next, if our
   thread or the whole process has not run for a while. */
#define TURNS_OF_GRACE 3

_Atomic uint64_t lease_ms;

static uint64_t end_ns = CLOCK_NEVER;
static unsigned turns_over;
static atomic_bool expired;

void lease_renew(uint64_t ms)
{
	turns_over = 0;
	expired = false;
	end_ns = ms ? clock_add_ms(clock_ns(), ms) : CLOCK_NEVER;
}

void lease_begin(void)
{
	if (atomic_load(&lease_ms))
		lease_renew(atomic_load(&lease_ms));
}

void lease_run(void)
{
	if (expired && budget_used() && !reset_is_running())
		lease_begin();
	if (end_ns == CLOCK_NEVER || clock_ns() < end_ns || ++turns_over < TURNS_OF_GRACE)
		return;
	end_ns = CLOCK_NEVER;
	expired = true;
	record_line("the lease has expired: %" PRIu64 " bytes are taken back", budget_held());
	reset_start();
}

bool lease_has_expired(void)
{
	return expired;
}

uint64_t lease_next_ns(void)
{
	return end_ns;
}

uint64_t lease_left_ms(void)
{
	uint64_t now = clock_ns();

	if (end_ns == CLOCK_NEVER)
		return 0;
	return now + NS_PER_MS < end_ns ? (end_ns - now) / NS_PER_MS : 1;
}
