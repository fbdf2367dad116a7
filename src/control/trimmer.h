/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator's trim is one call that may take a second, so it has a thread for itself while it lasts, and clients
   are answered meanwhile. Inside the gate, on our thread, unless it says otherwise. */
#ifndef MT_CONTROL_TRIMMER_H
#define MT_CONTROL_TRIMMER_H

#include <stdbool.h>

/* Begins one; where there can be no thread it is over when this returns. None may be running. */
void trimmer_start(void);
bool trimmer_is_running(void);

/* Waits until its thread is gone, which is a moment after it has ended. False where that takes too long: it waits for
   an allocator's lock, which the caller itself may hold. Our thread, or one of the host's while ours is not there. */
bool trimmer_wait(void);

/* In a forked child, which has no such thread. */
void trimmer_forget(void);

#endif
