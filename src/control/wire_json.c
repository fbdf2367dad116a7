/* SPDX-License-Identifier: BSD-2-Clause */
/* The format for programs: JSON-RPC 2.0 (jsonrpc.org/specification), one document a line. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "control/wire.h"

enum {
	JSON_PARSE_ERROR = -32700,
	JSON_INVALID_REQUEST = -32600,
	JSON_NO_METHOD = -32601,
	JSON_BAD_PARAMS = -32602,
	JSON_REFUSED = -32000
};

static void begin(struct reply *r, const char *member)
{
	if (r->batch.open)
		buf_char(r->out, r->batch.answered ? ',' : '[');
	r->batch.answered = r->batch.open;
	buf_str(r->out, "{\"jsonrpc\":\"2.0\",\"");
	buf_str(r->out, member);
	buf_str(r->out, "\":");
	r->begun = true;
}

static void write_fault(struct reply *r, int json_code, int code, const char *text)
{
	begin(r, "error");
	buf_printf(r->out, "{\"code\":%d,\"message\":", json_code);
	json_quote(r->out, text, strlen(text));
	buf_printf(r->out, ",\"data\":{\"code\":%d}}", code);
}

static void start_value(struct reply *r, const char *key)
{
	if (!r->begun)
		begin(r, "result");
	if (r->comma)
		buf_char(r->out, ',');
	r->comma = true;
	if (key) {
		json_quote(r->out, key, strlen(key));
		buf_char(r->out, ':');
	}
}

static void json_number(struct reply *r, const char *key, uint64_t value)
{
	start_value(r, key);
	buf_printf(r->out, "%" PRIu64, value);
}

static void json_string(struct reply *r, const char *key, const char *value)
{
	start_value(r, key);
	json_quote(r->out, value, strlen(value));
}

static void json_open(struct reply *r, const char *key, char bracket)
{
	start_value(r, key);
	buf_char(r->out, bracket);
	r->comma = false;
}

static void json_close(struct reply *r, char bracket)
{
	buf_char(r->out, bracket);
	r->comma = true;
}

static void json_fault(struct reply *r, int code, const char *text)
{
	static const int codes[] = {
		[RPC_REFUSED] = JSON_REFUSED,
		[RPC_NO_METHOD] = JSON_NO_METHOD,
		[RPC_BAD_ARGS] = JSON_BAD_PARAMS,
	};

	write_fault(r, codes[r->refusal], code, text);
}

static void json_end(struct reply *r)
{
	if (!r->begun) {
		begin(r, "result");
		buf_str(r->out, "null");
	}
	buf_str(r->out, ",\"id\":");
	if (r->id)
		buf_add(r->out, r->id, r->id_length);
	else
		buf_str(r->out, "null");
	buf_str(r->out, r->batch.open ? "}" : "}\n");
}

/* A notification of ours, on a line of its own, before the reply. */
static void json_progress(struct reply *r, uint64_t done, uint64_t total)
{
	buf_str(r->out, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{\"id\":");
	buf_add(r->out, r->id, r->id_length);
	buf_printf(r->out, ",\"done\":%" PRIu64 ",\"total\":%" PRIu64 "}}\n", done, total);
}

static const struct reply_ops json_ops = {
	.number = json_number,
	.text = json_string,
	.open = json_open,
	.close = json_close,
	.fault = json_fault,
	.end = json_end,
	.progress = json_progress,
};

/* Answers a document that is no request; there is nobody's id to give back unless it was found. */
static void answer_bad(struct reply *r, int json_code, const char *what, struct json at)
{
	char text[160];
	int shown = at.len < 20 ? (int)at.len : 20;

	r->mute = false;
	snprintf(text, sizeof(text), "%s: '%.*s'", what, shown, at.at);
	write_fault(r, json_code, 400, text);
	json_end(r);
}

/* Makes the value a NUL-terminated word in its own place. Only once nothing more is read from
   the document around it. */
static bool make_word(struct json v, const char **text)
{
	char *at = (char *)v.at; /* the request's buffer is ours to write */

	*text = at;
	if (json_kind(v) == 's') {
		/* Unescaping never lengthens, and the quotes leave room for the NUL. */
		*text = at + 1;
		return json_text(v, at + 1, v.len) >= 0;
	}
	at[v.len] = '\0';
	return true;
}

static enum rpc_kind kind_of(struct json v)
{
	switch (json_kind(v)) {
	case 's':
		return RPC_WORD;
	case 'n':
		return memchr(v.at, '.', v.len) || memchr(v.at, 'e', v.len) ||
				       memchr(v.at, 'E', v.len) ?
			       RPC_DOUBLE :
			       RPC_NUMBER;
	default:
		return RPC_OTHER;
	}
}

struct members {
	struct json version, method, params, id, progress;
	bool has_version, has_method, has_params, has_id, has_progress;
};

/* Of a name given twice the first counts. `progress` is ours, not the standard's. */
static void read_members(struct json request, struct members *m)
{
	m->has_version = json_member(request, "jsonrpc", &m->version);
	m->has_method = json_member(request, "method", &m->method);
	m->has_params = json_member(request, "params", &m->params);
	m->has_id = json_member(request, "id", &m->id);
	m->has_progress = json_member(request, "progress", &m->progress);
}

static bool read_params(struct json params, struct rpc_call *call)
{
	struct json names[RPC_ARGS_MAX], values[RPC_ARGS_MAX];
	struct json_iter it = { 0 };
	bool named = json_kind(params) == 'o';
	unsigned count = 0;
	const char *name = NULL, *text;

	while (count < RPC_ARGS_MAX && json_next(params, &it, &names[count], &values[count]))
		count++;
	for (unsigned i = 0; i < count; i++) {
		enum rpc_kind kind = kind_of(values[i]);

		if (named && !make_word(names[i], &name))
			return false;
		if (!make_word(values[i], &text))
			return false;
		rpc_add_arg(call, named ? name : NULL, text, kind);
	}
	return true;
}

static void read_request(struct json request, struct rpc_call *call, struct reply *r)
{
	struct members m = { 0 };
	char id_kind;

	if (json_kind(request) != 'o') {
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, not an object", request);
		return;
	}
	read_members(request, &m);
	r->mute = !m.has_id;
	id_kind = m.has_id ? json_kind(m.id) : 'l';
	if (id_kind == 'n' || id_kind == 's') {
		r->id = m.id.at;
		r->id_length = m.id.len;
		/* Inside a batch's array there is no place for lines of their own. */
		if (m.has_progress && json_kind(m.progress) == 't' && !r->batch.open)
			r->progress_ns = 1;
	}
	if (!strchr("nsl", id_kind))
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, id is no string or number",
			   m.id);
	else if (!m.has_version || !json_is(m.version, "2.0"))
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, jsonrpc is not \"2.0\"",
			   request);
	else if (!m.has_method || json_kind(m.method) != 's')
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, method is no string",
			   request);
	else if (m.has_params && !strchr("oa", json_kind(m.params)))
		answer_bad(r, JSON_INVALID_REQUEST,
			   "invalid request, params is neither array nor object", m.params);
	else if ((m.has_params && !read_params(m.params, call)) ||
		 !make_word(m.method, &call->method)) {
		call->method = NULL;
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, a NUL in a string",
			   m.method);
	}
}

static void start_batch(struct json array, struct reply *r)
{
	struct json_iter it = { 0 };
	struct json first;

	if (!json_next(array, &it, NULL, &first)) {
		answer_bad(r, JSON_INVALID_REQUEST, "invalid request, an empty batch", array);
		return;
	}
	r->batch.array = array;
	r->batch.open = true;
}

/* Where nobody wanted an answer there is no array either, as the standard has it. */
static void json_take_next(struct rpc_call *call, struct reply *r)
{
	struct json request;

	r->ops = &json_ops;
	if (json_next(r->batch.array, &r->batch.next, NULL, &request)) {
		read_request(request, call, r);
		return;
	}
	if (r->batch.answered)
		buf_str(r->out, "]\n");
	memset(&r->batch, 0, sizeof(r->batch));
}

static size_t json_take(char *in, size_t len, bool eof, struct rpc_call *call, struct reply *r)
{
	size_t taken = wire_line(in, len, eof);
	struct json request;
	const char *error;

	r->ops = &json_ops;
	if (!taken)
		return 0;
	error = json_check(in, taken, &request);
	if (error)
		answer_bad(r, JSON_PARSE_ERROR, error, request);
	else if (json_kind(request) == 'a')
		start_batch(request, r);
	else
		read_request(request, call, r);
	return taken;
}

const struct wire wire_json = { .take = json_take, .next = json_take_next, .ops = &json_ops };
