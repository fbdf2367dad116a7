/* SPDX-License-Identifier: BSD-2-Clause */
/* Reproducible random numbers: xoshiro256** (Blackman and Vigna, 2018, prng.di.unimi.it),
   seeded through splitmix64 as its authors advise. The same seed gives the same sequence
   on every machine. A generator belongs to one thread at a time. */
#ifndef MT_BASE_PRNG_H
#define MT_BASE_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_seed(struct prng *r, uint64_t seed);
uint64_t prng_next(struct prng *r);

/* Uniform in min..max, both included; min <= max. */
uint64_t prng_range(struct prng *r, uint64_t min, uint64_t max);

/* A seed from the kernel, or from the clock and pid where it gives none. Never blocks. */
uint64_t prng_entropy(void);

#endif
