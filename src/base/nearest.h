/* SPDX-License-Identifier: BSD-2-Clause */
/* Did you mean …? Any thread; nothing is allocated. */
#ifndef MT_BASE_NEAREST_H
#define MT_BASE_NEAREST_H

/* Collects the nearest of the words offered. Start with { .word = what was typed }. */
struct nearest {
	const char *word;
	const char *best; /* NULL while nothing is near enough to be worth naming */
	unsigned distance;
};

void nearest_offer(struct nearest *n, const char *candidate);

#endif
