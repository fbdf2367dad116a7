/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply sink that writes down what a handler says, and a client that calls commands by line.
   A transcript is one line: values as they are, strings in quotes, members as key=value, a fault as
   "CODE text", "" for a plain success. */
#ifndef MT_TESTS_RECORDER_H
#define MT_TESTS_RECORDER_H

#include "control/rpc.h"

/* Runs "METHOD WORD name=WORD ..." to its end and returns the transcript, good until the next. */
const char *recorder_call(const char *line);

/* The same with the arguments given one by one. */
const char *recorder_run(const struct rpc_call *call);

/* Why the last call was refused. */
enum rpc_refusal recorder_refusal(void);

/* Fails unless the transcript of `line` is, or begins with, `expected`. */
void recorder_expect(const char *line, const char *expected);
void recorder_expect_beginning(const char *line, const char *expected);

#endif
