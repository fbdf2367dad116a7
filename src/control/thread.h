/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting our thread, so that neither it nor the host's signals and descriptors meet. */
#ifndef MT_CONTROL_THREAD_H
#define MT_CONTROL_THREAD_H

/* Starts a detached thread with all signals blocked and a small stack. 0 or -errno. Host's
   thread; its signal mask is as before afterwards. */
int thread_start(void *(*run)(void *));

/* Gives the calling thread its name and a descriptor table of its own, with nothing of the host's
   in it and harmless descriptors as 0, 1 and 2. 0, or -errno: then it must open nothing. */
int thread_settle(void);

#endif
