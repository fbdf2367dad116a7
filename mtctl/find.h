/* SPDX-License-Identifier: BSD-2-Clause */
/* The instances of the library that run on this machine, and how each is reached. */
#ifndef MT_CTL_FIND_H
#define MT_CTL_FIND_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/rundir.h"
#include "bound.h"
#include "proc.h"

#define FIND_PATH_MAX (2 * RUNDIR_PATH_MAX + 64)

struct instance {
	struct proc proc; /* pid 0: a socket that was given, of a process that we cannot see */
	char socket[FIND_PATH_MAX];
	int trouble; /* 0: it can be talked to; -errno of connecting; -ESRCH: `peer` listens there;
			FIND_SHUNNED: nobody has asked (shun.h), and `socket` may be empty */
	pid_t peer;
	bool unsure; /* too many wait to be let in, so that nobody could be asked whether it is his (verify.h) */
	struct bound bound; /* of one that nobody has asked */
	bool given;  /* by its path: it is taken whoever listens there */
};

#define FIND_SHUNNED (-ECANCELED)

/* Can it be talked to? Is it there, as far as can be seen, and only for others to talk to? Was it not
   asked? For find_keep too. */
bool find_is_usable(const struct instance *i, const void *unused);
bool find_is_refused(const struct instance *i, const void *unused);
bool find_is_shunned(const struct instance *i, const void *unused);

/* Sorted by pid. */
struct instances {
	struct instance *at;
	size_t count, room;
	bool unfinished; /* there are too many processes to look at each (effort.h) */
};

/* Looks through the directories of sockets, then through the processes that have the library
   mapped. With a pid, for that process only. What cannot be used is listed with its trouble, unless it is no
   name of that process at all. What is verified comes before what is not, wherever each was found.
   Nobody is asked whom that could end, but for the process that the pid names. */
void find_instances(struct instances *found, pid_t pid);

/* The one behind a socket's path, if only with its trouble. */
void find_socket(struct instances *found, const char *path);

/* Room for one more; NULL where memory has run out. */
struct instance *find_append(struct instances *found);

/* Keeps those for which `keep` says so. */
void find_keep(struct instances *found, bool (*keep)(const struct instance *i, const void *what),
	       const void *what);

void find_free(struct instances *found);

#endif
