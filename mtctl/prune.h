/* SPDX-License-Identifier: BSD-2-Clause */
/* Removes the names that dead processes have left; `shunned` are not asked whether they live (shun.h). */
#ifndef MT_CTL_PRUNE_H
#define MT_CTL_PRUNE_H

#include "find.h"

/* Those in the directories that place_each_dir knows; how many were removed. */
int prune_dirs(const struct instances *shunned);

/* Those beside the sockets of these instances, where their directories and pids are also ours. */
void prune_beside(const struct instances *live, const struct instances *shunned);

#endif
