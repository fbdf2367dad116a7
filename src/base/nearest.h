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

/* The word itself is never the best. */
void nearest_offer(struct nearest *n, const char *candidate);

/* `shown` becomes the best where `candidate`, a part of it or another spelling, is the nearest. */
void nearest_offer_as(struct nearest *n, const char *candidate, const char *shown);

#endif
