/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers share: a client's bytes go through a wire as the server feeds it, each call is
   looked up and bound but no handler runs, and every reply has to keep to its format.
   libFuzzer calls LLVMFuzzerTestOneInput (llvm.org/docs/LibFuzzer.html); `make fuzz` runs them. */
#ifndef MT_TESTS_FUZZ_H
#define MT_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/command.h"
#include "control/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it holds whatever NDEBUG says. */
#define MUST(what) ((what) ? (void)0 : fuzz_fail(#what, __FILE__, __LINE__))

static inline void fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

/* What a format promises of the bytes that answer one request or one batch; `len` may be 0. */
typedef void fuzz_check(const char *reply, size_t len);

/* A client's bytes on their way through a wire. */
struct fuzz_client {
	const struct wire *wire;
	fuzz_check *check;
	const char *sent; /* as the client sent them */
	char *in;         /* the copy that the wire writes to */
	size_t len, at;
	bool eof;
	struct buf *out;
	struct reply reply;
	struct rpc_call call;
};

static inline void fuzz_begin_reply(struct fuzz_client *c)
{
	c->reply = (struct reply){ .out = c->out, .batch = c->reply.batch };
	c->call = (struct rpc_call){ .pid = 1 };
}

/* In a handler's place: gives back what the command was given. */
static inline void fuzz_echo(const struct args *a, struct reply *r)
{
	reply_open(r, NULL, '{');
	reply_number(r, "count", a->count);
	reply_open(r, "values", '[');
	for (unsigned i = 0; i < a->count; i++)
		if (a->values[i].text)
			reply_text(r, NULL, a->values[i].text);
	reply_close(r, ']');
	for (unsigned i = 0; i < a->count; i++)
		reply_number(r, a->values[i].name, a->values[i].number);
	reply_close(r, '}');
}

static inline void fuzz_run_call(struct fuzz_client *c)
{
	const struct command *command = command_find(c->call.method);
	struct reply *r = &c->reply;
	size_t before = r->out->len;
	struct args args;

	if (r->progress_ns)
		r->ops->progress(r, 1, UINT64_MAX);
	if (!command)
		command_run(&c->call, r); /* runs nothing: it says which command is near */
	else if (command_bind(command, &c->call, &args, r))
		fuzz_echo(&args, r);
	if (!r->mute)
		r->ops->end(r);
	MUST((r->out->len == before) == r->mute);
}

/* The bytes that the server's buffer would hold. */
static inline size_t fuzz_unread(const struct fuzz_client *c)
{
	size_t rest = c->len - c->at;

	return rest < WIRE_REQUEST_MAX ? rest : WIRE_REQUEST_MAX;
}

/* What has not been taken is still as it was sent; so far from here, at least. */
static inline void fuzz_check_untaken(const struct fuzz_client *c)
{
	size_t rest = c->len - c->at;

	MUST(memcmp(c->in + c->at, c->sent + c->at, rest < 64 ? rest : 64) == 0);
}

static inline void fuzz_refuse_long(struct fuzz_client *c)
{
	size_t line;

	fuzz_begin_reply(c);
	c->reply.ops = c->wire->ops;
	reply_fault(&c->reply, 400, "the request is longer than 65536 bytes");
	c->reply.ops->end(&c->reply);
	line = wire_line(c->in + c->at, c->len - c->at, true);
	c->at += line;
}

/* One request, or a batch with all of its requests. False when none is complete. */
static inline bool fuzz_serve_one(struct fuzz_client *c)
{
	size_t unread = fuzz_unread(c), taken;

	fuzz_begin_reply(c);
	taken = c->wire->take(c->in + c->at, unread, c->eof && unread == c->len - c->at, &c->call,
			      &c->reply);
	if (!taken) {
		fuzz_check_untaken(c);
		if (unread < WIRE_REQUEST_MAX)
			return false;
		fuzz_refuse_long(c);
		return true;
	}
	MUST(taken <= unread || (c->wire == &wire_binrpc && taken > WIRE_REQUEST_MAX));
	if (c->call.method)
		fuzz_run_call(c);
	while (c->reply.batch.open) {
		fuzz_begin_reply(c);
		c->wire->next(&c->call, &c->reply);
		if (c->call.method)
			fuzz_run_call(c);
	}
	c->at = taken < c->len - c->at ? c->at + taken : c->len;
	fuzz_check_untaken(c);
	return true;
}

static inline void fuzz_skip_blanks(struct fuzz_client *c)
{
	while (c->at < c->len && c->in[c->at] && strchr(" \t\r\n", c->in[c->at]))
		c->at++;
}

/* False once there is nothing more to serve. Replies pile up behind each other for a while, as they
   do for a client that reads slowly. */
static inline bool fuzz_turn(struct fuzz_client *c)
{
	size_t before;

	fuzz_skip_blanks(c);
	if (c->at == c->len || c->reply.close)
		return false;
	if (c->out->len > 65536)
		buf_clear(c->out, 65536);
	before = c->out->len;
	if (!fuzz_serve_one(c)) {
		MUST(c->out->len == before);
		return false;
	}
	MUST(!c->out->failed);
	c->check(c->out->data + before, c->out->len - before);
	return true;
}

/* Lets the wire take all of the bytes, first with more to come, then at their end. */
static inline void fuzz_wire(const struct wire *wire, fuzz_check *check, const uint8_t *data, size_t size)
{
	static struct buf out;
	struct fuzz_client c = { .wire = wire, .check = check, .sent = (const char *)data,
				 .len = size, .out = &out };

	if (!size)
		return;
	c.in = malloc(size + 1); /* the server's buffer has room for a NUL too */
	MUST(c.in);
	memcpy(c.in, data, size);
	c.in[size] = '#';
	buf_room(&out, 1);
	buf_clear(&out, 65536);
	while (fuzz_turn(&c))
		;
	c.eof = true;
	while (fuzz_turn(&c))
		;
	MUST(c.at == c.len || c.reply.close || wire == &wire_binrpc);
	free(c.in);
}

#endif
