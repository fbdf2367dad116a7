/* SPDX-License-Identifier: BSD-2-Clause */
/* setuid and its family change all threads of a process, each for itself, and the C library aborts the process
   when one may and another may not. Capabilities and the like belong to single threads, so a host with
   one thread may do what it could not do with ours beside it (setpriv: PR_SET_KEEPCAPS, setresuid, then
   setresgid, for which our thread lacks the right). Where ours has not the same rights as the caller it is
   therefore stopped around the call; the one that follows has what the caller has then. What a thread can change for itself alone (capset, setfsuid, Landlock) our thread takes
   over in the same way, so that it never may what the host has given up. */
#ifndef MT_CONTROL_RIGHTS_H
#define MT_CONTROL_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

/* What the calling thread has is what our thread has: on the thread that starts it, and after a call that has
   changed both. Or nobody knows it any more: a call has changed ours, and the caller has something else. */
void rights_note(void);
void rights_forget(void);

/* Has the calling thread what was noted? */
bool rights_are_noted(void);

/* Has the calling thread what another one of the process has? Sees what makes a difference: capabilities, and that the
   caller is nobody else. So it tells after a call whether ours was changed, too: the C library passes by a thread that it
   cannot signal. */
bool rights_are_those_of(pid_t tid);

#endif
