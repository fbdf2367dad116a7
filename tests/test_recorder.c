/* SPDX-License-Identifier: BSD-2-Clause */
/* The reply sink and the client that the tests of commands share. */
#include "tests/recorder.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "control/command.h"
#include "inject/sched.h"
#include "tests/unit.h"

static struct buf transcript, sent;
static enum rpc_refusal refusal;

static void start_value(struct reply *r, const char *key)
{
	if (r->comma)
		buf_char(r->out, ' ');
	r->comma = true;
	if (key)
		buf_printf(r->out, "%s=", key);
}

static void record_number(struct reply *r, const char *key, uint64_t value)
{
	start_value(r, key);
	buf_printf(r->out, "%" PRIu64, value);
}

static void record_text(struct reply *r, const char *key, const char *value)
{
	start_value(r, key);
	buf_printf(r->out, "'%s'", value);
}

static void record_open(struct reply *r, const char *key, char bracket)
{
	start_value(r, key);
	buf_char(r->out, bracket);
	r->comma = false;
	r->depth++;
}

static void record_close(struct reply *r, char bracket)
{
	ck_assert_uint_gt(r->depth, 0);
	r->depth--;
	buf_char(r->out, bracket);
	r->comma = true;
}

static void record_fault(struct reply *r, int code, const char *text)
{
	ck_assert_uint_eq(r->out->len, 0); /* instead of a value, before anything else */
	buf_printf(r->out, "%d %s", code, text);
}

static void record_end(struct reply *r)
{
	ck_assert_uint_eq(r->depth, 0);
}

static const struct reply_ops recorder_ops = {
	.number = record_number,
	.text = record_text,
	.open = record_open,
	.close = record_close,
	.fault = record_fault,
	.end = record_end,
};

static void answer(struct job *j)
{
	struct reply *r = j->owner;

	r->answer(r);
	r->deferred = false;
}

const char *recorder_run(const struct rpc_call *call)
{
	struct reply r = { .ops = &recorder_ops, .out = &transcript };

	buf_clear(&transcript, 4096);
	buf_clear(&sent, 4096);
	command_run(call, &r);
	refusal = r.refusal;
	r.job.done = answer; /* the server's would look for its connection */
	for (int i = 0; r.deferred; i++) {
		struct slice slice = slice_of(NS_PER_S);

		ck_assert_msg(i < 1000000, "%s never ends", call->method);
		if (r.job.parked) { /* the client reads */
			buf_add(&sent, transcript.data, transcript.len);
			transcript.len = 0;
			r.job.parked = false;
		}
		sched_run(NS_PER_S);
		job_run(&slice);
	}
	r.ops->end(&r);
	buf_add(&sent, transcript.data, transcript.len);
	buf_char(&sent, '\0');
	return sent.data;
}

const char *recorder_call(const char *line)
{
	static char words[1024];
	struct rpc_call call = { .pid = 4711, .uid = 0 };
	char *rest, *word, *equals;

	ck_assert_uint_lt(strlen(line), sizeof(words));
	strcpy(words, line);
	call.method = strtok_r(words, " ", &rest);
	while ((word = strtok_r(NULL, " ", &rest))) {
		equals = strchr(word, '=');
		if (equals)
			*equals = '\0';
		rpc_add_arg(&call, equals ? word : NULL, equals ? equals + 1 : word, RPC_WORD);
	}
	return recorder_run(&call);
}

enum rpc_refusal recorder_refusal(void)
{
	return refusal;
}

void recorder_expect(const char *line, const char *expected)
{
	const char *said = recorder_call(line);

	ck_assert_msg(strcmp(said, expected) == 0, "%s: \"%s\" instead of \"%s\"", line, said,
		      expected);
}

void recorder_expect_beginning(const char *line, const char *expected)
{
	const char *said = recorder_call(line);

	ck_assert_msg(strncmp(said, expected, strlen(expected)) == 0, "%s: \"%s\" instead of \"%s...\"",
		      line, said, expected);
}
