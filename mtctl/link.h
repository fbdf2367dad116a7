/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to one instance: lines go out, lines come back, each by a deadline. */
#ifndef MT_CTL_LINK_H
#define MT_CTL_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "ctl.h"

struct link {
	int fd;      /* -1: not open */
	pid_t peer;  /* the server's pid as we see it; 0 where it is outside our pid namespace */
	struct patience patience;
	uint64_t deadline_ns;
	struct buf in;
	size_t taken; /* of `in`: the line that was given out last */
};

#define LINK_CLOSED { .fd = -1 }

/* A path that begins with '@' is an abstract name, of our network namespace: @mtpreload.PID. */

/* Who listens under `path`? Never waits. 0, or -errno: -EAGAIN says that somebody does, but that
   too many are waiting to be let in to ask who. */
int link_probe(const char *path, pid_t *peer);

/* Connects. `pid` is whom we expect, 0 for anybody. 0 or -errno: -ESRCH where another process
   answers, `peer` says which. */
int link_open(struct link *l, const char *path, pid_t pid, struct patience patience);
void link_close(struct link *l);

/* Sends a request and starts the clock. 0 or -errno as below. */
int link_send(struct link *l, const char *request, size_t len);

/* The next line, without its newline; it stays valid until the next one is asked for. 0, or
   -ETIMEDOUT, -ECONNRESET (the server hung up), -ENOMEM. */
int link_line(struct link *l, const char **line, size_t *len);

#endif
