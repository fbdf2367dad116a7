/* SPDX-License-Identifier: BSD-2-Clause */
/* What injection holds, and what it may take. Any thread; the counters are atomic. */
#ifndef MT_INJECT_BUDGET_H
#define MT_INJECT_BUDGET_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Settings. */
extern _Atomic uint64_t budget_max_bytes;         /* 0: no limit of ours */
extern _Atomic uint64_t budget_available_percent; /* of memory that must stay available; 0: off */

#define BUDGET_WHY_MAX 256

/* Asks for `bytes` before they are allocated. 0, or -EDQUOT with the figures in `why` (which may be
   NULL); nothing is taken then. */
int budget_take(uint64_t bytes, char why[BUDGET_WHY_MAX]);

/* The same for whoever is inside the gate: most often without an atomic operation, of which there are millions a
   second otherwise. */
int budget_take_inside(uint64_t bytes, char why[BUDGET_WHY_MAX]);
void budget_give_inside(uint64_t bytes);

/* The same for whoever asks for less when this is refused: counted as no refusal. */
int budget_try_inside(uint64_t bytes);

/* Would budget_take grant it now? Takes nothing. */
int budget_check(uint64_t bytes, char why[BUDGET_WHY_MAX]);

/* Gives back what was taken: freed, or never allocated. */
void budget_give(uint64_t bytes);

/* Bytes taken whose pages are not yet touched: the system does not see them as used yet, so no
   reading may count them as available. Adds or, negative, removes. */
void budget_pending(int64_t bytes);

/* Of the bytes taken, those that are posted for the host's threads: nobody has allocated them yet. Adds or,
   negative, removes; inside the gate. */
void budget_post(int64_t bytes);
uint64_t budget_posted(void);

/* All bytes taken, posted ones too: what the limits count, and who asks whether anything is left to be taken back. Exact
   inside the gate; elsewhere it may be a megabyte high for a moment while our thread is at work. */
uint64_t budget_used(void);

/* Bytes that are really allocated: what we say is used. As exact as budget_used. */
uint64_t budget_held(void);

/* How many requests were refused since start. */
uint64_t budget_refusals(void);

/* After fork, in the child: what it holds, all of it as resident as it will ever be. */
void budget_adopt(uint64_t bytes);

/* Forgets the last reading of the system: a setting changed. */
void budget_forget(void);

#endif
