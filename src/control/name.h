/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket's name in a directory. It appears only once connections are accepted, and never in another's place. */
#ifndef MT_CONTROL_NAME_H
#define MT_CONTROL_NAME_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/rundir.h"

struct name {
	char path[2 * RUNDIR_PATH_MAX];
	const char *last; /* of `path`: behind the directory */
	dev_t dev;	  /* the socket's file, since another one may have the path by now */
	ino_t ino;
	uid_t owner;
};

/* The names to choose from: writes the nth, from 1. */
typedef void name_nth(unsigned nth, char name[RUNDIR_PATH_MAX]);

/* Binds and listens under a name with a dot in front, then takes the first name that nobody has who lives. A descriptor,
   or -errno with nothing left behind. Our thread. */
int name_publish(struct name *n, const char *dir, int dir_fd, name_nth *nth);

/* Is it still that socket's name in the directory? */
bool name_is_in_place(const struct name *n, int dir_fd);

/* Removes it if it is, by its path. Any thread, also in a signal handler. */
void name_remove(const struct name *n);

#endif
