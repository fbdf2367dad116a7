/* SPDX-License-Identifier: BSD-2-Clause */
/* Which instances a command is for. */
#ifndef MT_CTL_TARGET_H
#define MT_CTL_TARGET_H

#include "ctl.h"
#include "find.h"

/* Finds what -p, -n, -s and --all name, else the only instance there is. CTL_DONE with at least
   one in `chosen`, which the caller frees; one with a trouble is to be named only (target_error). Else the
   error has been said. */
int target_choose(const struct options *o, struct instances *chosen);

/* As above, but any number will do, even none where none was named. */
int target_list(const struct options *o, struct instances *chosen);

/* Says why an instance cannot be reached; `rc` is what link.h gave. Returns the exit status. */
int target_error(const struct instance *i, int rc, pid_t peer, const struct options *o);

#endif
