/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process has our thread and our name. A child by vfork or by the system call alone has our memory or a
   copy of it, without having been told. Any thread. */
#ifndef MT_CONTROL_PROCESS_H
#define MT_CONTROL_PROCESS_H

#include <stdbool.h>

/* It is the calling one: in the constructor and in a forked child. */
void process_begin(void);

/* Is it the calling one? */
bool process_is_ours(void);

#endif
