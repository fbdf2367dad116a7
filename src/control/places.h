/* SPDX-License-Identifier: BSD-2-Clause */
/* The places that connections have: ordinary ones, and reserved ones for whoever comes when no ordinary place is left,
   or no memory or descriptor for one. A reserved place serves commands that take back, and nothing else. On our
   thread, inside the gate; places_at, places_free_ns outside it too. */
#ifndef MT_CONTROL_PLACES_H
#define MT_CONTROL_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/conn.h"

#define PLACES_RESERVED 16
#define PLACES_MAX (CONN_ORDINARY_MAX + PLACES_RESERVED)

/* Maps and touches the memory of two places: with none left to be had, one client is served as always, and one more may
   take back. 0 or -ENOMEM; harmless when it has been called before. */
int places_start(void);

/* The connection in this place; NULL where there is none. */
struct conn *places_at(unsigned i);

/* When a newcomer can have a place: 0 for now, CLOCK_NEVER where only the end of a connection makes room. */
uint64_t places_free_ns(void);

/* Memory for a newcomer, before he is accepted. Where there is none, a silent connection on a reserved place makes room: at
   once if its process has several of these, else once it has had time to speak. Whoever runs a command stays. NULL:
   nobody can before `*again_ns`. */
struct conn *places_vacant(uint64_t now_ns, uint64_t *again_ns);

/* Hangs up on the silent connection that places_vacant would hang up on, if it has had its time, for its descriptor. False:
   nobody has before `*again_ns`. */
bool places_make_room(uint64_t now_ns, uint64_t *again_ns);

/* Gives it to the accepted socket. `last_descriptor`: there was none but the one that is kept for this. */
void places_take(struct conn *vacant, int fd, pid_t pid, uid_t uid, bool last_descriptor);

/* Gives back the memory of connections that are over. Until then their structs can be read. */
void places_tidy(void);

/* In a forked child: the connections are the parent's. */
void places_forget(void);

#endif
