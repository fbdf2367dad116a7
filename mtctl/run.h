/* SPDX-License-Identifier: BSD-2-Clause */
/* mtctl run: a program with the library in it. */
#ifndef MT_CTL_RUN_H
#define MT_CTL_RUN_H

#include "ctl.h"

/* Returns only where the program cannot be started: 127 when it is not found, 126 when it cannot be
   executed, as env(1) does. */
int run_program(const struct options *o, int count, char **words);

#endif
