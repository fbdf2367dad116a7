/* SPDX-License-Identifier: BSD-2-Clause */
/* fork: what is locked before it and done after it, in one place. */
#ifndef MT_CONTROL_FORK_H
#define MT_CONTROL_FORK_H

#include <stdatomic.h>
#include <stdint.h>

/* Setting: what a child does with us. */
enum { FORK_FOLLOW, FORK_OFF };
extern _Atomic uint64_t fork_mode;

/* From the constructor, once. `in_child` runs in each forked child, inside nobody's lock. Children of
   vfork and posix_spawn run no handlers. 0 or -errno. */
int fork_follow(void (*in_child)(void));

#endif
