/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections: reading requests, running them in order, writing replies. On our thread, inside
   the gate, except for the waiting in server_wait. */
#ifndef MT_CONTROL_SERVER_H
#define MT_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "control/sleep.h"

/* Before anybody may connect: is there memory for places.h, and are there descriptors for a socket and a client? 0, -ENOMEM
   or -EMFILE. */
int server_reserve(void);

/* Takes over a listening, non-blocking socket, in the place of the one that it had. */
void server_start(int listener);

/* Do clients wait, with no descriptor for any of them? Then only who hangs up helps them. */
bool server_is_starved(void);

/* Who has been let in stays. */
void server_close_listener(void);

/* Waits for the clients, until `deadline_ns`, until the thread is woken, or for another descriptor (-1: none) to become
   readable; outside the gate. Without a listener, for the others. True when the other descriptor is readable. */
bool server_wait(struct sleeper *s, uint64_t deadline_ns, int other_fd);

/* Handles what server_wait has found, for about a millisecond, shared between the connections. */
void server_handle(void);

/* Tells the clients that asked for it how far their long commands are, ten times a second. */
void server_tell_progress(void);

/* How many clients there are. */
unsigned server_clients(void);

/* Closes all connections and the listener. */
void server_stop(void);

/* In a forked child: the connections are the parent's. */
void server_forget(void);

#endif
