/* SPDX-License-Identifier: BSD-2-Clause */
/* How much work a search may take, whatever others have laid out for it: names by the hundred thousand, processes.
   It is counted in this process's own time on a processor: a machine that is only busy changes no answer. */
#ifndef MT_CTL_EFFORT_H
#define MT_CTL_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Of looking for those that are not to be asked, for names, and for processes; of pruning; of choosing what doctor looks
   at. */
#define EFFORT_SHUN_NS (400 * NS_PER_MS)
#define EFFORT_NAMES_NS (200 * NS_PER_MS)
#define EFFORT_PROCESSES_NS (400 * NS_PER_MS)
#define EFFORT_PRUNE_NS (200 * NS_PER_MS)
#define EFFORT_SURVEY_NS (1000 * NS_PER_MS)

/* What follows may take so long; until effort_end, behind which nothing is limited. */
void effort_begin(uint64_t ns);
void effort_end(void);

/* The same again, for those that come after others. */
void effort_again(void);

/* Of what was allowed by effort_begin; is there a limit now? */
uint64_t effort_part(unsigned percent);
bool effort_is_limited(void);

/* Within a search: what follows, until the next turn, may take a share of it only, so that no one process or directory
   uses up what is for all. What it has taken so far. */
void effort_turn(uint64_t ns);
uint64_t effort_turn_took(void);

/* Has the search, or the turn, taken as long? Then `where` is the place at which it was left; asked before each step. */
bool effort_is_over(const char *where);

/* Where the first search of all that were left was left; NULL: each came to its end. */
const char *effort_left_at(void);

#endif
