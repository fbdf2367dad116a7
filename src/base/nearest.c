/* SPDX-License-Identifier: BSD-2-Clause */
/* The nearest word, by optimal string alignment distance: insertions, deletions, substitutions and
   swapped neighbours count one each. */
#include "nearest.h"

#include <string.h>

#define WORD_MAX 48

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	unsigned la = (unsigned)strlen(a), lb = (unsigned)strlen(b);

	for (unsigned j = 0; j <= lb; j++)
		above[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[lb];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	nearest_offer_as(n, candidate, candidate);
}

void nearest_offer_as(struct nearest *n, const char *candidate, const char *shown)
{
	size_t length = strlen(n->word), other = strlen(candidate);
	unsigned d, limit;

	/* Whoever typed just that knows it. */
	if (length > WORD_MAX || other > WORD_MAX || strcmp(shown, n->word) == 0)
		return;
	limit = (unsigned)length / 3 + 1;
	d = distance(n->word, candidate);
	/* Words as far apart as they are long have nothing in common. */
	if (d <= limit && d < (length > other ? length : other) && (!n->best || d < n->distance)) {
		n->best = shown;
		n->distance = d;
	}
}
