/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop against real sockets, both ends in this one thread: no turn waits for anything. */
#ifndef MT_TESTS_TALK_H
#define MT_TESTS_TALK_H

#include <stddef.h>

/* A request, and the reply where nothing is held. */
#define USED "mt.mem_used\n"
#define ZERO "200 OK\n0\n\n"

/* Starts the server under an abstract name that the kernel chooses, and ends it once all clients have gone. */
void talk_begin(void);
void talk_end(void);

/* One turn of the server alone, and one with its jobs and tests. */
void talk_serve(void);
void talk_turn(void);

int talk_client(void);
void talk_say(int fd, const char *bytes, size_t len);

/* Takes turns until exactly these bytes have come, until a reply has come, whatever its value, or until the server has
   hung up. */
void talk_expect(int fd, const char *bytes);
void talk_expect_done(int fd);
void talk_expect_end(int fd);

#endif
