/* SPDX-License-Identifier: BSD-2-Clause */
/* The dead-man switch: unless the lease is renewed in time, everything that was injected is taken back.
   Inside the gate, on our thread, but for lease_begin. */
#ifndef MT_INJECT_LEASE_H
#define MT_INJECT_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Setting: the lease that each process begins with, and that follows one which has expired; 0: none. */
extern _Atomic uint64_t lease_ms;

/* The lease ends in so many ms from now; 0 switches it off. */
void lease_renew(uint64_t ms);

/* Begins the lease of lease_ms. Where that is 0 what there is goes on: a forked child has its parent's,
   with the chunks that it adopted. On the host's thread, before ours is started. */
void lease_begin(void);

/* At each turn of the loop, after what clients have sent was handled and what tests and jobs have done: takes
   everything back once the lease has expired; it is off then, until something is held again, where lease_ms is set. */
void lease_run(void);

/* Has the last one expired, so that lease_run has to be called when something is held again? Any thread. */
bool lease_has_expired(void);

/* When lease_run has to be called; CLOCK_NEVER while it is off. */
uint64_t lease_next_ns(void);

/* What is left of it, from 1; 0: off. */
uint64_t lease_left_ms(void);

#endif
