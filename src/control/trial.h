/* SPDX-License-Identifier: BSD-2-Clause */
/* A program may be started behind a seccomp filter that kills whoever makes a call which it does not know, and our
   thread makes calls that the program never would. */
#ifndef MT_CONTROL_TRIAL_H
#define MT_CONTROL_TRIAL_H

#include <stdbool.h>

/* From the constructor, before anything else of ours. Where there is a filter, a process of its own, which nobody but
   us can see end, makes each call once that we ever make: false where it was killed. What cannot be tried: prctl, clone
   and wait4; what is not: sched_yield, which may take a while, and no filter knows a reason against. May change errno. */
bool trial_is_passed(void);

/* Is our thread behind no filter but those that were tried? One that the program has installed since, or that a child of
   such a program has, may kill for any call. */
bool trial_covers_us(void);

/* For our thread, of this process and of its children: "mtpreload", or "mtpreload:N" behind so many filters that were
   tried. Whoever looks from outside can tell from it whether more have come since. */
const char *trial_thread_name(void);

#endif
