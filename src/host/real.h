/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocators around us: the one that the host's calls go on to, and the dispatch table that
   the exported wrappers jump through. */
#ifndef MT_HOST_REAL_H
#define MT_HOST_REAL_H

#include <stdbool.h>
#include <stddef.h>

/* Traits of its members. A block that is taken may be one of the bootstrap arena. What is made is made of others
   (lacking.h), and never looked up. */
enum { TAKES_BLOCK = 1, IS_MADE = 2 };

/* One malloc family. */
struct heap {
#define FAMILY(traits, give, result, name, parameters, arguments) \
	result(*name) parameters; /* NOLINT(bugprone-macro-parentheses) */
#include "host/family.def"
};

/* What the wrappers call. Each slot is read and written atomically, one by one: any mixture of
   old and new slots is correct, since blocks carry no mark of who made them. Hidden, so that a call is a single
   jump through it. */
extern struct heap dispatch __attribute__((visibility("hidden")));

#define HEAP_CALL(function) __atomic_load_n(&dispatch.function, __ATOMIC_RELAXED)

/* The next allocator in the search order: where the wrappers lead. Complete once real_resolve has
   returned true. */
extern struct heap next;

/* What injection calls: `next`, or the host's own allocator where the host brings one that goes past
   us. Never counted, failed or delayed by our rules. Valid after real_settle. */
extern struct heap real;

/* Fills `next`. False while another call is at work on it, on this thread (dlsym allocates) or
   on another. Any thread, any number of times; keeps errno. */
bool real_resolve(void);

/* Fills the function pointer `*slot`, once, with the next definition of another function. False, and errno ENOSYS,
   where there is none. Any thread. */
bool real_next(const char *name, void *slot);

/* Called once by the constructor: resolves, and points `dispatch` straight at `next`. */
void real_begin(void);

/* Points `dispatch` straight at `next`, but where blocks of the bootstrap arena may come by. Once resolved. */
void real_point(void);

/* Finds out whether the host's calls pass through us at all, which the search order decides, and sets `real`
   accordingly. After real_begin, before anything is injected; once is enough. Keeps errno. */
void real_settle(void);

/* Valid after real_settle. */
bool real_in_path(void);
const char *real_allocator(void); /* file name of the object that `real` is in */

#endif
