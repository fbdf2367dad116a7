/* SPDX-License-Identifier: BSD-2-Clause */
/* One life of our thread: its number, the order to end, how it is woken, what it waits for. There is one such object, and
   a life begins in it only once the one before is over: so there are never two threads of ours. */
#ifndef MT_CONTROL_LIFE_H
#define MT_CONTROL_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/sleep.h"

/* The host's threads, one at a time: these are called between life_lock and life_unlock, with signals blocked, in the
   process whose thread it is. */
void life_lock(void);
void life_unlock(void);

/* Begins one, which is wanted from then on. `run` calls life_enter first, and life_is_over or life_gives_up last. 0, -EEXIST while one lives, or -errno. */
int life_begin(void *(*run)(void *));

/* Orders it to end, and waits until the kernel does not know it any more. False where it does not come to its end: a
   system call holds it up, say. Then it lives on; but with `for_good` the order stands, and it ends by itself as soon
   as it can. Where it is held up still, the next one waits no longer than a moment. */
bool life_end(bool for_good);

/* Around a call for which our thread has to be out of the way. Several threads may make such calls at once, and a signal
   handler one in the middle of another. The first ends it (false: life_end's, or there is none). True from
   life_step_back: the caller was the last, and is to begin it again. */
bool life_step_aside(bool for_good);
bool life_step_back(void);

/* The caller, which was the last, could not begin it: none is begun before it has stepped back once more. */
void life_stay_aside(void);

/* Our thread. False: there is an order to end. */
void life_enter(void);
bool life_goes_on(void);

/* Our thread, when it has let go of everything: true: it is over, return. False: the order was taken back
   meanwhile, so it has to begin anew. */
bool life_is_over(void);

/* Our thread, after that: nobody waits for it, so that nobody would take back what is held. */
bool life_is_left(void);

/* Our thread, which returns without having been asked. */
void life_gives_up(void);

/* Any thread: */

/* Is there a thread of ours? */
bool life_is_active(void);

/* Is there to be one? There may be none for a moment, or none could be started. */
bool life_is_wanted(void);

/* Is there none, though there is to be one, and is it a while since one could not be begun or gave up? Between life_lock and
   life_unlock the answer stands; before it is a first look. */
bool life_is_lacking(void);

/* It was ended, or ordered to, and is not to come back. */
void life_stays_away(void);

/* Is this the process whose thread it is? Not in a vfork child. */
bool life_is_ours(void);

/* Of the process: its number, and when we began in it. */
pid_t life_owner(void);
uint64_t life_start_ns(void);

/* The number of our thread, which tells it itself: one that has just been begun is waited for. 0 where there is
   none. */
pid_t life_tid(void);

/* How often our thread has been ended or begun: odd while one of the host's threads is between the two. */
unsigned life_changes(void);

/* How often a call of the host's has waited for its end in vain, and gone on beside it. */
unsigned life_waits_in_vain(void);

/* Wakes it, with its number still its own: inside the gate. */
void life_wake(void);

/* The process ends, and our thread has something to do before: wakes it and waits for that, no longer than life_end waits.
   Also in a signal handler. */
bool life_waits_for(bool (*done)(void));

/* Does nothing wake it for certain, so that it looks ten times a second? */
bool life_looks(void);

/* Can it be sent a signal, as the C library does where all threads are to change? It wakes it. */
bool life_takes_signals(void);

struct sleeper *life_sleeper(void);

/* In the constructor and in a forked child: nothing lives yet. Whether there is to be one stays. */
void life_in_process(void);

#endif
