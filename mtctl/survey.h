/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl doctor over all processes of this machine that have the library, or were to have it. */
#ifndef MT_CTL_SURVEY_H
#define MT_CTL_SURVEY_H

#include "base/clock.h"
#include "report.h"

/* All of it, however many there are who do not answer. */
#define SURVEY_NS (20 * NS_PER_S)

/* Adds what `look` finds of each of them, and how many were left out at the deadline. Root's processes and our own come
   first, then one of each user's in turn. */
void survey_processes(struct report *r, void (*look)(struct report *r, pid_t pid), uint64_t deadline_ns);

#endif
