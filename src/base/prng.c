/* SPDX-License-Identifier: BSD-2-Clause */
/* The random numbers behind sizes and intervals. Called on our thread, and by tests. */
#include "prng.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "kernel.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void prng_seed(struct prng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&seed);
}

uint64_t prng_next(struct prng *r)
{
	uint64_t *s = r->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* Lemire's multiplication with rejection (ACM TOMACS 29.1, 2019): exact, and no division
   for nearly all draws. */
uint64_t prng_range(struct prng *r, uint64_t min, uint64_t max)
{
	uint64_t span = max - min + 1;
	__uint128_t m;

	if (span == 0)
		return prng_next(r);
	m = (__uint128_t)prng_next(r) * span;
	if ((uint64_t)m < span) {
		uint64_t reject = -span % span;

		while ((uint64_t)m < reject)
			m = (__uint128_t)prng_next(r) * span;
	}
	return min + (uint64_t)(m >> 64);
}

uint64_t prng_entropy(void)
{
	uint64_t seed;
	uint64_t mix = clock_ns() ^ ((uint64_t)kernel_pid() << 32);

	if (kernel_getrandom(&seed, sizeof(seed), 1 /* GRND_NONBLOCK */) == sizeof(seed))
		return seed;
	return splitmix(&mix);
}
