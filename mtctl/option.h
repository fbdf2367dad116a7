/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl's options, read from one table. */
#ifndef MT_CTL_OPTION_H
#define MT_CTL_OPTION_H

#include "base/buf.h"
#include "ctl.h"

/* Takes the options out of `args`, wherever they stand in front of a "--"; what is left are the
   words, `*count` of them, a NULL behind. Nothing is read behind a local command that has options
   of its own. CTL_DONE, or CTL_USAGE with the error said. */
int option_read(struct options *o, char **args, int *count);

/* Calls `row` for each option, in the table's order. */
void option_explain(struct buf *b, void (*row)(struct buf *b, const char *usage, const char *help));

/* Says that an option is unknown, and which of `known` (ending with NULL) it may have been. */
int option_unknown(const char *option, const char *const *known);

#endif
