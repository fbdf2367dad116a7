/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a program's processes are. A name and a title are what a process says of itself; its user, and who started it,
   are the kernel's word. */
#ifndef MT_CTL_FAMILY_H
#define MT_CTL_FAMILY_H

#include "find.h"

/* The user to whom each belongs, of instances that are sorted by pid: that of the first ancestor among them, in one
   line. A worker that has given up root is root's, as its master. */
void family_users(const struct instances *found, uid_t *users);

/* The user that each has itself. */
void family_own_users(const struct instances *found, uid_t *users);

/* Is it the first one of its user's? */
bool family_is_first(const uid_t *users, size_t n);

/* How many users there are. */
size_t family_count(const uid_t *users, size_t count);

/* Appends "uid 0 has 12 and 3 more; uid 1000 has 40", and a NUL. */
void family_list(struct buf *b, const struct instances *found, const uid_t *users);

#endif
