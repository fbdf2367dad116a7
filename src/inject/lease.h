/* SPDX-License-Identifier: BSD-2-Clause */
/* The dead-man switch: unless the lease is renewed in time, everything that was injected is taken back.
   Inside the gate, on our thread, but for lease_begin. */
#ifndef MT_INJECT_LEASE_H
#define MT_INJECT_LEASE_H

#include <stdatomic.h>
#include <stdint.h>

/* Setting: the lease that each process begins with, and that follows one which has expired; 0: none. */
extern _Atomic uint64_t lease_ms;

/* The lease ends in so many ms from now; 0 switches it off. */
void lease_renew(uint64_t ms);

/* Begins the lease of lease_ms. Where that is 0 what there is goes on: a forked child has its parent's,
   with the chunks that it adopted. On the host's thread, before ours is started. */
void lease_begin(void);

/* Before each injecting command: what is injected after a lease has expired is not without one, where lease_ms is
   set. A lease that was switched off stays off. */
void lease_begin_again(void);

/* At each turn of the loop, after what clients have sent was handled: takes everything back once the lease has
   expired; it is off then. */
void lease_run(void);

/* When lease_run has to be called; CLOCK_NEVER while it is off. */
uint64_t lease_next_ns(void);

/* What is left of it, from 1; 0: off. */
uint64_t lease_left_ms(void);

#endif
