/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances that are not to be asked, since that could end them (filter.h). They are known before anybody is asked:
   a connection cannot be taken back. A name is theirs only by the kernel's word (bound.h), and where its file is their
   user's: whoever only claims it keeps nobody from being asked. */
#ifndef MT_CTL_SHUN_H
#define MT_CTL_SHUN_H

#include "find.h"
#include "verify.h"

/* Appends all but `except`, with their sockets as far as those can be told without asking. False: there may be more,
   since there are too many processes (effort.h). */
bool shun_find(struct instances *shunned, pid_t except);

/* The one whose socket this file is, by its name in an open directory and what fstat tells of it; NULL. */
struct instance *shun_of(const struct instances *shunned, int dir_fd, const char *name, const struct stat *file);

/* Dials a name in an open directory as verify_dial does; FIND_SHUNNED, and `who`, where it is the socket of one of these. */
int shun_dial_at(const struct instances *shunned, int dir_fd, const char *name, struct dialled *d,
		 struct instance **who);

#endif
