/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may command this process: root, and the process's own user while that user could do the same to it without us.
   The host changes its ids under our feet, so all is asked of the kernel each time. On our thread. */
#ifndef MT_CONTROL_ACCESS_H
#define MT_CONTROL_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* May the other end of `fd`, a connection that was just accepted, command us? Fills `peer`. */
bool access_begins(int fd, struct ucred *peer);

/* Asked before each request, and before what a client wants is done: may that uid, which was let in once, go on? */
bool access_lasts(uid_t uid);

/* Is that uid the real, the effective or the saved one? */
bool access_is_user(uid_t uid);

/* Do the real, the effective and the saved uid differ? The effective one's user is then not the process's master. */
bool access_ids_differ(void);

#endif
