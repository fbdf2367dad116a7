/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl - : commands from stdin. */
#ifndef MT_CTL_BATCH_H
#define MT_CTL_BATCH_H

#include "ctl.h"

int batch_run(const struct options *o, int count, char **words);

#endif
