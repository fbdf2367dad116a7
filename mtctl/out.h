/* SPDX-License-Identifier: BSD-2-Clause */
/* All that mtctl says. Results go to stdout; errors to stderr, or in JSON to stdout too. */
#ifndef MT_CTL_OUT_H
#define MT_CTL_OUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/json.h"

void out_as_json(bool json);

/* What follows is about this process: a line "# PID NAME", or members of each JSON line. The
   name stays the caller's. A pid of -1 ends it. */
void out_about(pid_t pid, const char *name);

/* A command's result: kamcmd's layout, or one line of JSON. */
void out_result(struct json result);

/* The server's "no": error: CODE - MESSAGE. Returns CTL_REFUSED. */
int out_refusal(long code, const char *message);

/* mtctl's own error, one line. Returns `status`. */
int out_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line for people, to stderr, beside a result that is right as far as it goes. */
void out_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text that is finished already. */
void out_text(const struct buf *text);

/* Makes sure that all of it arrived. `status`, or CTL_REFUSED when the output was not taken. */
int out_finish(int status);

#endif
