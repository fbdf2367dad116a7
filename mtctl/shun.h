/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances that are not to be asked, since that could end them (filter.h). They are known before anybody is asked:
   a connection cannot be taken back. */
#ifndef MT_CTL_SHUN_H
#define MT_CTL_SHUN_H

#include "find.h"

/* Appends all but `except`, with their sockets as far as those can be told without asking. False: there may be more,
   since there are too many processes (effort.h). */
bool shun_find(struct instances *shunned, pid_t except);

/* The one whose socket this may be: by its path, or by the pid in its name (0: it has none); NULL. */
struct instance *shun_of(const struct instances *shunned, const char *path, pid_t number);

#endif
