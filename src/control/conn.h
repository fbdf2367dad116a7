/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection: it runs one request at a time, and the rest of its input waits in its buffer. A client
   that does not read, or floods us, stops being read. On our thread, inside the gate. */
#ifndef MT_CONTROL_CONN_H
#define MT_CONTROL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "control/rpc.h"

enum conn_state { CONN_FREE, CONN_OPEN, CONN_CLOSING, CONN_GONE };

/* An ordinary place, or a reserved one and why: see places.h. */
enum conn_place { CONN_ORDINARY, CONN_TOO_MANY, CONN_NO_MEMORY, CONN_NO_DESCRIPTOR };

#define CONN_ORDINARY_MAX 64

struct conn {
	enum conn_state state; /* closing: what is in `out` still goes; gone: a job has to end */
	enum conn_place place;
	int fd;
	bool refused; /* on a reserved place: is closed after this reply */
	bool eof;
	bool discarding; /* the rest of a line that was too long */
	size_t skip;     /* bytes to come of a packet that was too long */
	bool unfinished; /* `in` may hold more requests than were served in a turn */
	struct buf in, out;
	size_t at;    /* of `in`: where the next request begins, or the one that is running */
	size_t taken; /* by the one that is running */
	size_t sent;  /* of `out` */
	uint64_t stalled_ns; /* since when the client has taken nothing; 0: it does */
	uint64_t heard_ns; /* when it came, or its last request was read */
	pid_t pid;
	uid_t uid;
	struct reply reply;
	struct rpc_call call;
};

/* A free connection, whose requests come to `room`, WIRE_REQUEST_MAX + 1 bytes. Maps room for its replies, so that short
   ones work when the system has no more memory. 0 or -ENOMEM. */
int conn_reserve(struct conn *c, char *room, size_t bytes);

/* Gives back what conn_reserve has mapped. */
void conn_end(struct conn *c);

/* Takes the accepted socket over. */
void conn_open(struct conn *c, int fd, pid_t pid, uid_t uid, enum conn_place place);

/* In a forked child, where the socket is the parent's: free again, nothing is closed. */
void conn_forget(struct conn *c);

/* Closes it. A command of its that is under way is cancelled, and the slot stays until that has ended. */
void conn_hang_up(struct conn *c);

/* Reads what has come. */
void conn_receive(struct conn *c);

/* Runs requests that have been read, one at the least, for `ns`; then sends. Returns how many it ran. Hangs up on a client
   that is not allowed to command us any more (access.h). */
unsigned conn_serve(struct conn *c, uint64_t ns);

/* Has read requests that it may run now? */
bool conn_is_ready(const struct conn *c);

/* What to wait for, as poll's events. Its end is reported in any case. */
short conn_events(const struct conn *c);

/* When a client that takes nothing is given up; CLOCK_NEVER. */
uint64_t conn_patience_ns(const struct conn *c);

/* Tells how far its long command is, where the client asked for it, ten times a second. */
void conn_tell_progress(struct conn *c, uint64_t now_ns);

/* Connections on ordinary and on reserved places, and how many of all have ever been closed. */
unsigned conn_count(void);
unsigned conn_reserved_count(void);
uint64_t conn_closed(void);

#endif
