/* SPDX-License-Identifier: BSD-2-Clause */
/* A process ends when its last thread does. Ours must not be that last one: where the main thread ends by
   pthread_exit, or a child was forked by another thread whose function returns, somebody has to do for the
   host's last thread what the C library would have done: exit(0). Where the main thread has ended by the system call
   alone, the C library would not have known: ours end when the host's last one has. */
#ifndef MT_CONTROL_LAST_H
#define MT_CONTROL_LAST_H

#include <stdbool.h>

/* From the constructor, on the main thread. */
void last_begin(void);

/* On the main thread, which is about to make the system call. */
void last_by_call(void);

/* Has the main thread ended, while others go on? False where that cannot be known. Any thread. */
bool last_main_has_ended(void);

/* In a forked child, on its only thread. */
void last_in_child(void);

#endif
