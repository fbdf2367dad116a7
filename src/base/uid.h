/* SPDX-License-Identifier: BSD-2-Clause */
/* Which users the numbers of our user namespace stand for. The kernel shows every user without a number there
   as the overflow uid. A process that enters another namespace keeps its user, which may have no number in the
   new one. Any thread. */
#ifndef MT_BASE_UID_H
#define MT_BASE_UID_H

#include <stdbool.h>
#include <sys/types.h>

/* Have our real and our effective user a number here? Where one has none, nobody can be told apart: 0 is
   somebody whom our user may be far above. Also false where it cannot be known. It stays while the process has
   two threads, since the kernel lets none of several enter another user namespace. */
bool uid_has_number(void);

/* Does that number stand for one user only? */
bool uid_is_one_user_s(uid_t uid);

/* Is that file's owner our effective user? */
bool uid_is_ours(uid_t owner);

#endif
