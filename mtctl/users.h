/* SPDX-License-Identifier: BSD-2-Clause */
/* User namespaces: what a process's uids are called inside of its own. */
#ifndef MT_CTL_USERS_H
#define MT_CTL_USERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Is it in another user namespace than we are, as far as can be seen? */
bool users_are_others(pid_t pid);

/* The number that a uid of ours has there; false where it has none. */
bool users_number(pid_t pid, uid_t uid, uid_t *number);

#endif
