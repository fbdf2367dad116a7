/* SPDX-License-Identifier: BSD-2-Clause */
/* Speaks JSON-RPC 2.0 (jsonrpc.org/specification), one document a line. Every argument goes as a
   string: the server knows what it wants, and a string of digits is a number to it. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "ctl.h"
#include "local.h"
#include "out.h"

static unsigned count_named(char *const *args, unsigned count)
{
	unsigned named = 0;

	for (unsigned i = 0; i < count; i++)
		named += word_name_length(args[i]) > 0;
	return named;
}

static int refuse_mixture(char *const *args, unsigned count)
{
	const char *named = NULL, *other = NULL;

	for (unsigned i = 0; i < count; i++)
		*(word_name_length(args[i]) ? &named : &other) = args[i];
	return out_error(CTL_USAGE,
			 "'%s' has a name and '%s' has none (name all arguments or none; a text with a "
			 "= in it is given as NAME=TEXT too)",
			 named, other);
}

static void begin(struct buf *request, const char *method)
{
	buf_str(request, "{\"jsonrpc\":\"2.0\",\"method\":");
	json_quote(request, method, strlen(method));
	buf_str(request, ",\"params\":");
}

static void end(struct buf *request, unsigned id)
{
	buf_printf(request, ",\"id\":%u}\n", id);
}

int call_request(struct buf *request, char *const *words, unsigned count, unsigned id)
{
	char *const *args = words + 1;
	unsigned args_count = count - 1, named = count_named(args, args_count);

	if (!strchr(words[0], '.'))
		return local_unknown(words[0]);
	if (named && named < args_count)
		return refuse_mixture(args, args_count);
	begin(request, words[0]);
	buf_char(request, named ? '{' : '[');
	for (unsigned i = 0; i < args_count; i++) {
		size_t length = word_name_length(args[i]);
		const char *value = length ? args[i] + length + 1 : args[i];

		if (i)
			buf_char(request, ',');
		if (length) {
			json_quote(request, args[i], length);
			buf_char(request, ':');
		}
		json_quote(request, value, strlen(value));
	}
	buf_char(request, named ? '}' : ']');
	buf_str(request, ",\"progress\":true"); /* so that a long command is not taken for a silent server */
	end(request, id);
	return CTL_DONE;
}

void call_simple(struct buf *request, const char *method, unsigned id)
{
	begin(request, method);
	buf_str(request, "[]");
	end(request, id);
}

static bool is_member(struct json object, const char *key, char kind, struct json *value)
{
	return json_member(object, key, value) && json_kind(*value) == kind;
}

/* The code of our own is in error.data.code; JSON-RPC's, which says less, is in error.code. */
static bool read_error(struct json error, struct answer *a)
{
	struct json data, code, ours;

	if (!is_member(error, "message", 's', &a->message) || !is_member(error, "code", 'n', &code))
		return false;
	if (is_member(error, "data", 'o', &data) && is_member(data, "code", 'n', &ours))
		code = ours;
	a->code = strtol(code.at, NULL, 10); /* what follows it in the line ends it */
	return true;
}

static bool has_id(struct json reply, unsigned id, bool refused)
{
	struct json given;
	uint64_t number;

	if (refused && json_member(reply, "id", &given) && json_kind(given) == 'l')
		return true;
	return call_number(reply, "id", &number) && number == id;
}

int call_read(const char *line, size_t len, unsigned id, struct answer *a)
{
	struct json reply, error, method;

	*a = (struct answer){ .refused = false };
	if (json_check(line, len, &reply) || json_kind(reply) != 'o')
		return -EPROTO;
	a->unfinished = json_member(reply, "method", &method);
	if (a->unfinished)
		return 0;
	a->refused = !json_member(reply, "result", &a->result);
	if (a->refused && (!json_member(reply, "error", &error) || !read_error(error, a)))
		return -EPROTO;
	return has_id(reply, id, a->refused) ? 0 : -EBADMSG;
}

int call_wait(struct link *l, unsigned id, struct answer *a)
{
	const char *line;
	size_t len;
	int rc;

	do {
		rc = link_line(l, &line, &len);
		if (rc == 0)
			rc = call_read(line, len, id, a);
	} while (rc == 0 && a->unfinished);
	return rc;
}

bool call_number(struct json object, const char *key, uint64_t *number)
{
	struct json v;

	if (!is_member(object, key, 'n', &v) || strspn(v.at, "0123456789") != v.len)
		return false;
	errno = 0;
	*number = strtoull(v.at, NULL, 10);
	return errno == 0;
}

bool call_text(struct json object, const char *key, char *out, size_t cap)
{
	struct json v;

	return is_member(object, key, 's', &v) && json_text(v, out, cap) >= 0;
}

int call_show(const struct answer *a)
{
	char *message;
	int status;

	if (!a->refused) {
		out_result(a->result);
		return CTL_DONE;
	}
	message = malloc(a->message.len + 1);
	if (!message || json_text(a->message, message, a->message.len + 1) < 0)
		status = out_refusal(a->code, "(a message that cannot be shown)");
	else
		status = out_refusal(a->code, message);
	free(message);
	return status;
}
