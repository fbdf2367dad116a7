/* SPDX-License-Identifier: BSD-2-Clause */
/* A process ends when its last thread does. Ours must not be that last one: where the main thread ends by
   pthread_exit, or a child was forked by another thread whose function returns, somebody has to do for the
   host's last thread what the C library would have done: exit(0). */
#ifndef MT_CONTROL_LAST_H
#define MT_CONTROL_LAST_H

/* From the constructor, on the main thread. */
void last_begin(void);

/* In a forked child, on its only thread. */
void last_in_child(void);

#endif
