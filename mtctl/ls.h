/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl ls: the instances that run. */
#ifndef MT_CTL_LS_H
#define MT_CTL_LS_H

#include "ctl.h"

int ls_run(const struct options *o, int count, char **words);

#endif
