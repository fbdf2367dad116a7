/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl ls: the instances that run. */
#ifndef MT_CTL_LS_H
#define MT_CTL_LS_H

#include "base/clock.h"
#include "ctl.h"

/* All of ls, however many there are who do not answer. */
#define LS_NS (2 * NS_PER_S)

int ls_run(const struct options *o, int count, char **words);

#endif
