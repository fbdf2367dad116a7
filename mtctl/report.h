/* SPDX-License-Identifier: BSD-2-Clause */
/* The findings of mtctl doctor, a line each, or a JSON array. */
#ifndef MT_CTL_REPORT_H
#define MT_CTL_REPORT_H

#include "check.h"

struct report {
	struct buf out;
	bool json;
	bool brief; /* without what is well */
	unsigned count, problems;
	const char *about; /* put in front of each text; NULL: nothing */
};

void report_add(struct report *r, enum level level, const struct check *check, const char *text);

/* Adds all of another one, which stays the caller's. */
void report_join(struct report *r, const struct report *part);

/* Goes through a table. False where a check said that what is behind has nothing to add. */
bool report_checks(struct report *r, const struct check *checks, struct subject *s);

/* Shows it all. CTL_DONE, or CTL_REFUSED where there is a problem. */
int report_finish(struct report *r);

#endif
