/* SPDX-License-Identifier: BSD-2-Clause */
/* Random requests: what a client encodes is what a command is given, in BINRPC and as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/wire.h"
#include "tests/unit.h"

#define ROUNDS 3000
#define WORD_MAX 5000

static char in[WIRE_REQUEST_MAX + 1];
static struct rpc_call call;
static struct buf out;

static size_t take(const struct wire *wire, size_t len, bool eof)
{
	struct reply reply = { .out = &out };

	call = (struct rpc_call){ 0 };
	buf_clear(&out, 4096);
	return wire->take(in, len, eof, &call, &reply);
}

/* What the next argument has to come out as. */
struct expected {
	enum rpc_kind kind;
	char name[16]; /* "": positional */
	char text[WORD_MAX + 1];
};

static struct expected expected[RPC_ARGS_MAX + 8];

static size_t put_record(char *at, unsigned type, const void *data, size_t length)
{
	size_t n = 0;

	if (length < 8) {
		at[n++] = (char)(length << 4 | type);
	} else {
		at[n++] = (char)(0xa0 | type); /* the length in two bytes */
		at[n++] = (char)(length >> 8);
		at[n++] = (char)length;
	}
	memcpy(at + n, data, length);
	return n + length;
}

/* In as few bytes as will do; negative ones, and those whose sign bit would be set, in more. */
static size_t put_number(char *at, unsigned type, int64_t value)
{
	unsigned char bytes[8];
	size_t length = 0;

	for (uint64_t left = (uint64_t)value; left; left >>= 8)
		length++;
	if (value < 0)
		length = value >= INT32_MIN ? 4 : 8;
	else if (length == 4 && value > INT32_MAX)
		length = 5;
	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)((uint64_t)value >> (8 * (length - 1 - i)));
	return put_record(at, type, bytes, length);
}

static void draw_bytes(struct prng *p, size_t least, size_t most, char *text)
{
	size_t length = prng_range(p, least, most);

	for (size_t i = 0; i < length; i++)
		text[i] = (char)prng_range(p, 1, 255);
	text[length] = '\0';
}

static size_t put_argument(struct prng *p, char *at, struct expected *e)
{
	int64_t value = (int64_t)(prng_next(p) >> prng_range(p, 1, 63));

	e->name[0] = '\0';
	if (prng_range(p, 0, 9) == 0)
		value = 0;
	else if (prng_range(p, 0, 2) == 0)
		value = -value;
	switch (prng_range(p, 0, 2)) {
	case 0:
		e->kind = RPC_NUMBER;
		snprintf(e->text, sizeof(e->text), "%" PRId64, value);
		return put_number(at, 0, value);
	case 1:
		e->kind = RPC_DOUBLE;
		snprintf(e->text, sizeof(e->text), "%s%" PRId64 ".%03d", value < 0 ? "-" : "",
			 (value < 0 ? -value : value) / 1000,
			 (int)((value < 0 ? -value : value) % 1000));
		return put_number(at, 2, value);
	default:
		e->kind = RPC_LOOSE;
		draw_bytes(p, 0, prng_range(p, 0, 3) ? 20 : WORD_MAX - 1, e->text);
		return put_record(at, 1, e->text, strlen(e->text) + 1);
	}
}

static void check_call(const char *method, unsigned count)
{
	ck_assert_ptr_nonnull(call.method);
	ck_assert_str_eq(call.method, method);
	ck_assert_uint_eq(call.count, count);
	for (unsigned i = 0; i < count && i < RPC_ARGS_MAX; i++) {
		ck_assert_int_eq(call.args[i].kind, expected[i].kind);
		if (expected[i].name[0])
			ck_assert_str_eq(call.args[i].name, expected[i].name);
		else
			ck_assert_ptr_null(call.args[i].name);
		ck_assert_str_eq(call.args[i].text, expected[i].text);
	}
	ck_assert_uint_eq(out.len, 0);
}

/* The header with two bytes of length, in front of a body that is there already. */
#define BODY 4u
static size_t put_header(struct prng *p, unsigned cookie, size_t body)
{
	const char head[] = { (char)0xa1, (char)(1 << 2 | (cookie - 1)), (char)(body >> 8), (char)body };

	memmove(in + BODY + cookie, in + BODY, body);
	memcpy(in, head, sizeof(head));
	for (unsigned i = 0; i < cookie; i++)
		in[BODY + i] = (char)prng_range(p, 0, 255);
	return BODY + cookie + body;
}

START_TEST(binrpc_request_arrives_as_it_was_encoded)
{
	struct prng p = unit_random("binrpc_request_arrives_as_it_was_encoded");
	char method[41];

	for (int i = 0; i < ROUNDS; i++) {
		unsigned count = (unsigned)prng_range(&p, 0, 12), cookie = (unsigned)prng_range(&p, 1, 4);
		size_t body, len;

		draw_bytes(&p, 1, sizeof(method) - 1, method);
		body = put_record(in + BODY, 1, method, strlen(method) + 1);
		for (unsigned n = 0; n < count; n++)
			body += put_argument(&p, in + BODY + body, &expected[n]);
		len = put_header(&p, cookie, body);
		ck_assert_uint_eq(take(&wire_binrpc, len - 1, false), 0);
		ck_assert_uint_eq(take(&wire_binrpc, len, false), len);
		check_call(method, count);
	}
}
END_TEST

/* Bytes none of which is in `without`. */
static void draw_word(struct prng *p, size_t least, size_t most, const char *without, char *text)
{
	draw_bytes(p, least, most, text);
	for (; *text; text++)
		if (strchr(without, *text))
			*text = 'x';
}

static size_t put_blanks(struct prng *p, size_t least, char *to)
{
	size_t count = prng_range(p, least, 3);

	for (size_t i = 0; i < count; i++)
		to[i] = " \t"[prng_range(p, 0, 1)];
	return count;
}

/* In quotes nothing is special but their end and the line's; without, a name may stand in front. */
static size_t put_word(struct prng *p, char *to, struct expected *e)
{
	e->kind = RPC_WORD;
	e->name[0] = '\0';
	switch (prng_range(p, 0, 2)) {
	case 0:
		draw_word(p, 0, 60, "\"\n", e->text);
		return (size_t)sprintf(to, "\"%s\"", e->text);
	case 1:
		strcpy(e->name, prng_range(p, 0, 1) ? "size" : "max_int");
		draw_word(p, 0, 60, " \t\r\n", e->text);
		return (size_t)sprintf(to, "%s=%s", e->name, e->text);
	default:
		draw_word(p, 1, 60, " \t\r\n\"=", e->text);
		return (size_t)sprintf(to, "%s", e->text);
	}
}

START_TEST(text_request_arrives_as_it_was_written)
{
	static const char *const ends[] = { "\n", "\r\n", "" };
	struct prng p = unit_random("text_request_arrives_as_it_was_written");
	char method[41];

	for (int i = 0; i < ROUNDS; i++) {
		unsigned count = (unsigned)prng_range(&p, 0, COUNT(expected));
		const char *end = ends[prng_range(&p, 0, 2)];
		size_t len = put_blanks(&p, 0, in);

		draw_word(&p, 1, sizeof(method) - 1, " \t\r\n\"", method);
		len += (size_t)sprintf(in + len, prng_range(&p, 0, 1) ? "%s" : "\"%s\"", method);
		for (unsigned n = 0; n < count; n++) {
			len += put_blanks(&p, 1, in + len);
			len += put_word(&p, in + len, &expected[n]);
		}
		len += put_blanks(&p, 0, in + len);
		len += (size_t)sprintf(in + len, "%s", end);
		if (!*end)
			ck_assert_uint_eq(take(&wire_text, len, false), 0);
		ck_assert_uint_eq(take(&wire_text, len, !*end), len);
		check_call(method, count);
	}
}
END_TEST

UNIT_SUITE(codec_request, binrpc_request_arrives_as_it_was_encoded,
	   text_request_arrives_as_it_was_written)
