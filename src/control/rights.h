/* SPDX-License-Identifier: BSD-2-Clause */
/* setuid and its family change all threads of a process, each for itself, and the C library aborts the process
   when one may and another may not. Capabilities and the like belong to single threads, so a host with
   one thread may do what it could not do with ours beside it (setpriv: PR_SET_KEEPCAPS, setresuid, then
   setresgid, for which our thread lacks the right). Where ours has not the same rights as the caller it is
   therefore stopped around the call; the one that follows has what the caller has then. */
#ifndef MT_CONTROL_RIGHTS_H
#define MT_CONTROL_RIGHTS_H

#include <stdbool.h>

/* What the calling thread has is what our thread has: on the thread that starts it, and after a call that has
   changed both. */
void rights_note(void);

/* Has the calling thread what was noted? */
bool rights_are_noted(void);

#endif
