/* SPDX-License-Identifier: BSD-2-Clause */
/* The format for people: a request is a line of words, a reply "200 OK" or "CODE TEXT", the value's
   lines in kamcmd's layout, and an empty line. */
#include <inttypes.h>
#include <string.h>

#include "base/label.h"
#include "base/word.h"
#include "control/wire.h"

const struct wire *wire_for(char first)
{
	if (first == '{' || first == '[')
		return &wire_json;
	return first & 0x80 ? &wire_binrpc : &wire_text;
}

size_t wire_line(const char *in, size_t len, bool eof)
{
	const char *end = memchr(in, '\n', len);

	if (end)
		return (size_t)(end - in) + 1;
	return eof ? len : 0;
}

/* Cuts the next word off, in place. Double quotes keep blanks together. NULL at the end. */
static char *next_word(char **at, bool *quoted)
{
	char *word = *at + strspn(*at, " \t"), *end;

	if (!*word)
		return NULL;
	*quoted = *word == '"' && strchr(word + 1, '"');
	if (*quoted)
		end = strchr(++word, '"');
	else
		end = word + strcspn(word, " \t");
	*at = end + (*end != '\0');
	*end = '\0';
	return word;
}

static void add_word(struct rpc_call *call, char *word, bool quoted)
{
	size_t name = quoted ? 0 : word_name_length(word);

	if (name)
		word[name] = '\0';
	rpc_add_arg(call, name ? word : NULL, name ? word + name + 1 : word, RPC_WORD);
}

static size_t text_take(char *in, size_t len, bool eof, struct rpc_call *call, struct reply *r)
{
	size_t taken = wire_line(in, len, eof), end = taken;
	char *at = in, *word;
	bool quoted;

	r->ops = wire_text.ops;
	if (!taken)
		return 0;
	/* At the end of input there may be no newline to put the NUL on: the buffer has room. */
	if (in[end - 1] == '\n')
		end--;
	if (end && in[end - 1] == '\r')
		end--;
	in[end] = '\0';
	if (strlen(in) != end) {
		reply_fault(r, 400, "a NUL byte in the request");
		r->ops->end(r);
		return taken;
	}
	call->method = next_word(&at, &quoted);
	if (call->method)
		while ((word = next_word(&at, &quoted)))
			add_word(call, word, quoted);
	return taken;
}

static void begin(struct reply *r)
{
	if (!r->begun)
		buf_str(r->out, "200 OK\n");
	r->begun = true;
}

/* An array at the top has no brackets: its elements are lines. */
static void start_value(struct reply *r, const char *key)
{
	begin(r);
	if (key)
		label_member(r->out, r->depth, key);
	else
		for (unsigned i = 0; i < r->depth; i++)
			buf_char(r->out, '\t');
}

static void text_number(struct reply *r, const char *key, uint64_t value)
{
	start_value(r, key);
	buf_printf(r->out, "%" PRIu64 "\n", value);
}

static void text_text(struct reply *r, const char *key, const char *value)
{
	const char *end;

	/* Several lines are several lines: help is read by people. */
	for (; (end = strchr(value, '\n')) && !key; value = end + 1)
		if (end > value) {
			start_value(r, NULL);
			buf_add(r->out, value, (size_t)(end - value));
			buf_char(r->out, '\n');
		}
	begin(r);
	if (!*value && !key)
		return; /* an empty line would be taken for the reply's end */
	start_value(r, key);
	label_line(r->out, value);
	buf_char(r->out, '\n');
}

static void text_open(struct reply *r, const char *key, char bracket)
{
	if (bracket == '[' && r->depth == 0 && !key) {
		begin(r);
		return;
	}
	start_value(r, key);
	buf_char(r->out, bracket);
	buf_char(r->out, '\n');
	r->depth++;
}

static void text_close(struct reply *r, char bracket)
{
	if (r->depth == 0)
		return;
	r->depth--;
	start_value(r, NULL);
	buf_char(r->out, bracket);
	buf_char(r->out, '\n');
}

static void text_fault(struct reply *r, int code, const char *text)
{
	r->begun = true;
	buf_printf(r->out, "%d ", code);
	label_line(r->out, text);
	buf_char(r->out, '\n');
}

static void text_end(struct reply *r)
{
	begin(r);
	buf_char(r->out, '\n');
}

static const struct reply_ops text_ops = {
	.number = text_number,
	.text = text_text,
	.open = text_open,
	.close = text_close,
	.fault = text_fault,
	.end = text_end,
};

const struct wire wire_text = { .take = text_take, .ops = &text_ops };
