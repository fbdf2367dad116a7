/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that mtctl does itself; every other command has a dot in it and is the server's. */
#ifndef MT_CTL_LOCAL_H
#define MT_CTL_LOCAL_H

#include "ctl.h"

struct local {
	const char *word;
	int (*run)(const struct options *o, int count, char **words); /* words[0] is the word */
	const char *usage, *help;
	bool own_options; /* what stands behind the word is not for us to read */
};

extern const struct local locals[];
extern const unsigned local_count;

const struct local *local_find(const char *word);

/* Says that a word without a dot is no command, and which one it may have been. CTL_USAGE. */
int local_unknown(const char *word);

/* mtctl help: our own, or a method's from the server. */
int local_help(const struct options *o, int count, char **words);

#endif
