/* SPDX-License-Identifier: BSD-2-Clause */
/* A loaded object (the program, or one of its libraries) and the functions that it defines. */
#ifndef MT_HOST_OBJECT_H
#define MT_HOST_OBJECT_H

#include <limits.h>
#include <stdbool.h>

struct object {
	unsigned place;      /* where the search for a name comes to it: 0 is the program */
	const char *name;    /* of its file, without the directories */
	const void *base;    /* what its addresses are relative to */
	const void *dynamic; /* its dynamic section */
};

/* The object that a function is in. False where the address belongs to none, or to one without a dynamic
   section. Any thread. */
bool object_of(const void *function, struct object *found);

/* The first definition of a function, as a call finds it that all objects can see; objects of this place are passed over.
   NULL where there is none. Any thread. Not dlsym, which takes the stub of a position dependent program for one. */
void *object_first(const char *name, unsigned but_place, struct object *found);
#define OBJECT_NO_PLACE UINT_MAX

/* The library's own; OBJECT_NO_PLACE where it is part of the program, as in the unit tests: that has no doorway. */
unsigned object_our_place(void);

/* The object's own definition of a function, or NULL; never what it links to; of several
   versions, any. Any thread.
   dlsym is not good enough: a search that fails allocates its complaint, in the host's heap, and all of them wait for
   whoever is inside dlopen, which may be a host thread that forks there and thus waits for ours. */
void *object_function(const struct object *o, const char *name);

#endif
