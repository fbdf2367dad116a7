/* SPDX-License-Identifier: BSD-2-Clause */
/* fork: what is locked before it and done after it, in one place. */
#ifndef MT_CONTROL_FORK_H
#define MT_CONTROL_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Setting: what a child does with us. */
enum { FORK_FOLLOW, FORK_OFF };
extern _Atomic uint64_t fork_mode;

/* From the constructor, once. In each forked child, inside nobody's lock, `adopt` runs, which never calls the host's
   allocator, and then `begin`: told whether the host's own child handlers have run, so that its allocator is usable.
   Children of vfork and posix_spawn run no handlers. 0 or -errno. */
int fork_follow(void (*adopt)(void), void (*begin)(bool usable));

/* On our thread, outside the gate: the host's main has begun, and with it the handlers that it registers. */
void fork_follow_late(void);

#endif
