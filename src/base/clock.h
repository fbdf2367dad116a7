/* SPDX-License-Identifier: BSD-2-Clause */
/* Time that only goes forward. Any thread, no errors. */
#ifndef MT_BASE_CLOCK_H
#define MT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "kernel.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define CLOCK_NEVER UINT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	kernel_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* A deadline so many ms after `from_ns`. What lies past all that the clock counts never comes, and yet is not
   CLOCK_NEVER. */
static inline uint64_t clock_add_ms(uint64_t from_ns, uint64_t ms)
{
	uint64_t ns;

	if (__builtin_mul_overflow(ms, NS_PER_MS, &ns) || __builtin_add_overflow(from_ns, ns, &ns) ||
	    ns == CLOCK_NEVER)
		return CLOCK_NEVER - 1;
	return ns;
}

/* What is left until `deadline_ns`, for ppoll and nanosleep; zero once it has passed. */
static inline struct timespec clock_until(uint64_t deadline_ns, uint64_t now_ns)
{
	uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	return (struct timespec){ .tv_sec = (time_t)(left / NS_PER_S),
				  .tv_nsec = (long)(left % NS_PER_S) };
}

#endif
