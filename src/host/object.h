/* SPDX-License-Identifier: BSD-2-Clause */
/* A loaded object (the program, or one of its libraries) and the functions that it defines. */
#ifndef MT_HOST_OBJECT_H
#define MT_HOST_OBJECT_H

#include <stdbool.h>

struct object {
	const char *name;    /* of its file, without the directories */
	const void *base;    /* what its addresses are relative to */
	const void *dynamic; /* its dynamic section */
};

/* The object that a function is in. False where the address belongs to none, or to one without a dynamic
   section. Any thread. */
bool object_of(const void *function, struct object *found);

/* The object's own definition of a function, or NULL; never what it links to; of several
   versions, any. Any thread.
   dlsym is not good enough: a search that fails allocates its complaint, in the host's heap, and all of them wait for
   whoever is inside dlopen, which may be a host thread that forks there and thus waits for ours. */
void *object_function(const struct object *o, const char *name);

#endif
