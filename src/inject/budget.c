/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits on injection. Asked before every allocation, three million times a second if need
   be, so a reading of the system (tens of microseconds) grants credit for many. */
#include "budget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "system.h"

#define CREDIT_LIFE_NS (100 * NS_PER_MS)
#define CREDIT_PART 8

_Atomic uint64_t budget_max_bytes;
_Atomic uint64_t budget_available_percent = 5;

/* Taken in advance for those inside the gate, so it is not really used. Never while max_bytes is to be kept
   exactly. */
#define RESERVE_BYTES ((uint64_t)1 << 20)

static _Atomic uint64_t used;
static _Atomic uint64_t reserve; /* written inside the gate */
static _Atomic int64_t pending;
static _Atomic uint64_t posted; /* of those used; written inside the gate */
static _Atomic uint64_t refusals;

static _Atomic int64_t credit;            /* bytes that the last reading still grants */
static _Atomic uint64_t credit_expires_ns;

/* Good to some milliseconds, and a quarter of the price of the fine clock. */
static uint64_t coarse_ns(void)
{
	struct timespec ts;

#ifdef CLOCK_MONOTONIC_COARSE
	kernel_clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
#else
	kernel_clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int read_system(uint64_t bytes, uint64_t now_ns, char *why)
{
	unsigned percent = (unsigned)atomic_load(&budget_available_percent);
	int64_t untouched = atomic_load(&pending);
	struct headroom h;
	uint64_t spare;

	if (system_headroom(percent, &h) < 0)
		return 0; /* no figures (no /proc in this root): max_bytes alone limits */
	if (untouched > 0)
		h.available_bytes -= (uint64_t)untouched < h.available_bytes ?
					     (uint64_t)untouched :
					     h.available_bytes;
	spare = system_spare(&h, percent);
	if (bytes > spare) {
		if (why)
			snprintf(why, BUDGET_WHY_MAX,
				 "%" PRIu64 " bytes asked, %s has %" PRIu64 " of %" PRIu64
				 " available and min_available_percent keeps %u%%",
				 bytes, h.place, h.available_bytes, h.total_bytes, percent);
		return -EDQUOT;
	}
	atomic_store(&credit, (int64_t)((spare - bytes) / CREDIT_PART));
	atomic_store(&credit_expires_ns, now_ns + CREDIT_LIFE_NS);
	return 0;
}

static int ask_system(uint64_t bytes, char *why)
{
	uint64_t now;

	if (atomic_load_explicit(&budget_available_percent, memory_order_relaxed) == 0)
		return 0;
	now = coarse_ns();
	if (bytes <= INT64_MAX && now < atomic_load(&credit_expires_ns) &&
	    atomic_fetch_sub(&credit, (int64_t)bytes) >= (int64_t)bytes)
		return 0;
	return read_system(bytes, now, why);
}

static int ask_limit(uint64_t bytes, uint64_t held, char *why)
{
	uint64_t max = atomic_load_explicit(&budget_max_bytes, memory_order_relaxed), waiting;

	if (max == 0 || (bytes <= max && held <= max - bytes))
		return 0;
	waiting = budget_posted();
	if (why && waiting)
		snprintf(why, BUDGET_WHY_MAX,
			 "%" PRIu64 " bytes asked, %" PRIu64 " held, %" PRIu64 " pending, max_bytes is %" PRIu64, bytes,
			 held - waiting, waiting, max);
	else if (why)
		snprintf(why, BUDGET_WHY_MAX,
			 "%" PRIu64 " bytes asked, %" PRIu64 " held, max_bytes is %" PRIu64, bytes,
			 held, max);
	return -EDQUOT;
}

static int counted(int rc)
{
	if (rc)
		atomic_fetch_add(&refusals, 1);
	return rc;
}

int budget_check(uint64_t bytes, char why[BUDGET_WHY_MAX])
{
	int rc = ask_limit(bytes, budget_used(), why);

	if (rc == 0 && atomic_load(&budget_available_percent))
		rc = read_system(bytes, coarse_ns(), why);
	return counted(rc);
}

static int try_to_take(uint64_t bytes, char *why)
{
	/* Taken first, so that two threads cannot both have the last of it. */
	uint64_t held = atomic_fetch_add(&used, bytes);
	int rc = ask_limit(bytes, held - atomic_load_explicit(&reserve, memory_order_relaxed), why);

	if (rc == 0)
		rc = ask_system(bytes, why);
	if (rc)
		atomic_fetch_sub(&used, bytes);
	return rc;
}

int budget_take(uint64_t bytes, char why[BUDGET_WHY_MAX])
{
	return counted(try_to_take(bytes, why));
}

void budget_give(uint64_t bytes)
{
	atomic_fetch_sub(&used, bytes);
}

static void set_reserve(uint64_t bytes)
{
	atomic_store_explicit(&reserve, bytes, memory_order_relaxed);
}

/* Ends the lead that somebody inside the gate has. */
static void return_reserve(void)
{
	uint64_t bytes = atomic_load_explicit(&reserve, memory_order_relaxed);

	set_reserve(0);
	budget_give(bytes);
}

static int try_inside(uint64_t bytes, char *why)
{
	uint64_t left = atomic_load_explicit(&reserve, memory_order_relaxed);
	bool exactly = atomic_load_explicit(&budget_max_bytes, memory_order_relaxed) != 0;

	if (bytes <= left && !exactly) {
		set_reserve(left - bytes);
		return 0;
	}
	if (left)
		return_reserve();
	if (bytes < RESERVE_BYTES && !exactly && try_to_take(RESERVE_BYTES, NULL) == 0) {
		set_reserve(RESERVE_BYTES - bytes);
		return 0;
	}
	return try_to_take(bytes, why);
}

int budget_take_inside(uint64_t bytes, char why[BUDGET_WHY_MAX])
{
	return counted(try_inside(bytes, why));
}

int budget_try_inside(uint64_t bytes)
{
	return try_inside(bytes, NULL);
}

void budget_give_inside(uint64_t bytes)
{
	uint64_t left = atomic_load_explicit(&reserve, memory_order_relaxed) + bytes;

	if (bytes < RESERVE_BYTES && left < 2 * RESERVE_BYTES &&
	    atomic_load_explicit(&budget_max_bytes, memory_order_relaxed) == 0)
		set_reserve(left);
	else
		budget_give(bytes);
}

void budget_pending(int64_t bytes)
{
	atomic_fetch_add(&pending, bytes);
}

uint64_t budget_used(void)
{
	uint64_t left, taken;

	do {
		left = atomic_load(&reserve);
		taken = atomic_load(&used);
	} while (left != atomic_load(&reserve));
	return taken - left;
}

void budget_post(int64_t bytes)
{
	atomic_fetch_add(&posted, (uint64_t)bytes);
}

uint64_t budget_posted(void)
{
	return atomic_load(&posted);
}

uint64_t budget_held(void)
{
	uint64_t waiting = budget_posted(), taken = budget_used();

	return taken > waiting ? taken - waiting : 0; /* outside the gate some may have been given up between the two */
}

uint64_t budget_refusals(void)
{
	return atomic_load(&refusals);
}

void budget_forget(void)
{
	atomic_store(&credit_expires_ns, 0);
	return_reserve(); /* max_bytes may have come */
}

void budget_adopt(uint64_t bytes)
{
	atomic_store(&used, bytes);
	set_reserve(0);
	atomic_store(&pending, 0);
	atomic_store(&posted, 0);
	budget_forget();
}
