/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to one instance: lines go out, lines come back. A server may be stopped, gone or hostile, so each wait
   has an end, and each line too. */
#ifndef MT_CTL_LINK_H
#define MT_CTL_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "ctl.h"
#include "proc.h"

/* The longest line that is taken: a list of 100,000 tests has 60 MB. */
#define LINK_LINE_MAX ((size_t)128 << 20)

struct link {
	int fd;      /* -1: not open */
	pid_t peer;  /* the server's pid as we see it; 0 where it is outside our pid namespace */
	size_t line_max;
	struct patience patience;
	uint64_t idle_ns, total_ns; /* the deadlines that follow from it */
	struct buf in;
	size_t taken;   /* of `in`: the line that was given out last */
	size_t scanned; /* of `in`, behind that: no newline is there */
};

#define LINK_CLOSED { .fd = -1 }

/* A path that begins with '@' is an abstract name, of our network namespace: @mtpreload.PID. */

/* Connects, by `patience`. It has to be the socket of `process` (verify.h); NULL takes anybody and follows links. 0 or
   -errno: -ESRCH where another process answers, `peer` says which; -ETIMEDOUT. */
int link_open(struct link *l, const char *path, const struct proc *process, struct patience patience);

/* The same without waiting: -EAGAIN where too many wait to be let in. */
int link_dial(struct link *l, const char *path, const struct proc *process, struct patience patience);

void link_close(struct link *l);

/* Sends a request and starts the clock. 0 or -errno as below. */
int link_send(struct link *l, const char *request, size_t len);

/* As much of it as goes without waiting. How much, or -errno: -EAGAIN, -ECONNRESET. */
ssize_t link_put(struct link *l, const char *request, size_t len);

/* Starts the clock, as link_send does. When the first of its deadlines is; 0, or what link_line would say by then. */
void link_begin(struct link *l);
uint64_t link_until(const struct link *l);
int link_overdue(const struct link *l, uint64_t now);

/* The next line, without its newline; it stays valid until the next one is asked for. 0, or -ETIMEDOUT (nothing whole
   came for that long), -ETIME (it all took too long), -ECONNRESET (the server hung up), -EMSGSIZE, -ENOMEM. */
int link_line(struct link *l, const char **line, size_t *len);

/* The same without waiting: -EAGAIN where there is none yet. */
int link_take(struct link *l, const char **line, size_t *len);

#endif
