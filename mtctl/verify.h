/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a socket's name what it says? Anybody may make a name in a directory of theirs, so a name counts only where its
   file is a socket, its owner is a user of the process, and the process itself is its server. Decided here for all. */
#ifndef MT_CTL_VERIFY_H
#define MT_CTL_VERIFY_H

#include <stdbool.h>
#include <sys/types.h>

#include "proc.h"

/* What a name turned out to be. */
struct dialled {
	int fd;        /* the connection, which does not block; -1 */
	bool has_file; /* `owner` is known: it is no abstract name, and could be looked at */
	uid_t owner;
	pid_t peer;    /* the server's pid as we see it; 0 outside of our pid namespace, or not connected */
	uid_t peer_uid; /* its effective uid when it began to listen */
};

#define DIALLED_NONE { .fd = -1 }

/* Connects to a path, or an abstract name that begins with '@', without waiting and without following a link at the
   path's end. 0, or -errno: -ENOTSOCK; -EAGAIN says that somebody listens, but that too many wait to be let in. */
int verify_dial(const char *path, struct dialled *d);

/* The same, links followed: for a socket that the user of mtctl has named. */
int verify_dial_given(const char *path, struct dialled *d);

/* The same for a file that was found with O_PATH and O_NOFOLLOW; its descriptor is closed. */
int verify_dial_seen(int seen, struct dialled *d);

/* Is this user one of the process's own? Root is not, unless it is. */
bool verify_is_user(uid_t uid, const struct proc *p);

/* May the file be this process's? True where none is known. */
bool verify_owner(const struct dialled *d, const struct proc *p);

/* Is this process the server, and the file its own? */
bool verify_server(const struct dialled *d, const struct proc *p);

#endif
