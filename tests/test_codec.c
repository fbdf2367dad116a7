/* SPDX-License-Identifier: BSD-2-Clause */
/* Random replies: what a command answers is what a client decodes, in the formats for programs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/label.h"
#include "control/wire.h"
#include "tests/unit.h"

#define ROUNDS 3000

static char in[256];
static struct rpc_call call;
static struct buf out;
static struct reply reply;

static size_t take(const struct wire *wire, size_t len)
{
	call = (struct rpc_call){ 0 };
	buf_clear(&out, 4096);
	reply = (struct reply){ .out = &out };
	return wire->take(in, len, false, &call, &reply);
}

/* As many characters that are not 0; UTF-8 with quotes and control characters among them. */
static void draw_text(struct prng *p, size_t most, char *text)
{
	for (size_t left = prng_range(p, 0, most); left; left--) {
		unsigned code = (unsigned)prng_range(p, 1, 0x7f);

		switch (prng_range(p, 0, 5)) {
		case 0:
			*text++ = "\"\\/\n\t\x01\x1f\x7f"[prng_range(p, 0, 7)];
			break;
		case 1:
			code = (unsigned)prng_range(p, 0x80, 0x7ff);
			*text++ = (char)(0xc0 | code >> 6);
			*text++ = (char)(0x80 | (code & 0x3f));
			break;
		case 2: /* from U+1000, below the surrogates */
			code = (unsigned)prng_range(p, 0x1000, 0xd7ff);
			*text++ = (char)(0xe0 | code >> 12);
			*text++ = (char)(0x80 | (code >> 6 & 0x3f));
			*text++ = (char)(0x80 | (code & 0x3f));
			break;
		case 3:
			code = (unsigned)prng_range(p, 0x10000, 0x10ffff);
			*text++ = (char)(0xf0 | code >> 18);
			*text++ = (char)(0x80 | (code >> 12 & 0x3f));
			*text++ = (char)(0x80 | (code >> 6 & 0x3f));
			*text++ = (char)(0x80 | (code & 0x3f));
			break;
		default:
			*text++ = (char)code;
		}
	}
	*text = '\0';
}

/* A value of a reply. The same generator draws the same tree again for the comparison. */
struct value {
	char kind; /* 'n'umber, 's'tring, '{' or '[' */
	uint64_t number;
	char text[4 * 300 + 1];
	unsigned count;
};

#define KEY_MAX (4 * 9 + 1)

static void draw_value(struct prng *p, unsigned depth, struct value *v)
{
	v->kind = "ns{["[prng_range(p, 0, depth < 3 ? 3 : 1)];
	v->number = prng_next(p) >> prng_range(p, 0, 63);
	if (prng_range(p, 0, 9) == 0)
		v->number = UINT64_MAX;
	draw_text(p, prng_range(p, 0, 9) ? 8 : 300, v->text);
	v->count = (unsigned)prng_range(p, 0, 4);
}

static void draw_key(struct prng *p, char key[KEY_MAX])
{
	draw_text(p, 9, key);
}

static void write_value(struct prng *p, const char *key, unsigned depth)
{
	struct value v;
	char child[KEY_MAX];

	draw_value(p, depth, &v);
	if (v.kind == 'n') {
		reply_number(&reply, key, v.number);
	} else if (v.kind == 's') {
		reply_text(&reply, key, v.text);
	} else {
		reply_open(&reply, key, v.kind);
		for (unsigned i = 0; i < v.count; i++) {
			draw_key(p, child);
			write_value(p, v.kind == '{' ? child : NULL, depth + 1);
		}
		reply_close(&reply, v.kind == '{' ? '}' : ']');
	}
}

static void check_json_text(struct json got, const char *text)
{
	char word[8192];

	ck_assert_int_eq(json_kind(got), 's');
	ck_assert_int_ge(json_text(got, word, sizeof(word)), 0);
	ck_assert_str_eq(word, text);
}

static void check_json_value(struct prng *p, struct json got, unsigned depth)
{
	struct json key, member;
	struct json_iter it = { 0 };
	struct value v;
	char expected[KEY_MAX];

	draw_value(p, depth, &v);
	if (v.kind == 'n') {
		snprintf(expected, sizeof(expected), "%" PRIu64, v.number);
		ck_assert_uint_eq(got.len, strlen(expected));
		ck_assert_mem_eq(got.at, expected, got.len);
	} else if (v.kind == 's') {
		check_json_text(got, v.text);
	} else {
		ck_assert_int_eq(got.at[0], v.kind);
		for (unsigned i = 0; i < v.count; i++) {
			draw_key(p, expected);
			ck_assert(json_next(got, &it, &key, &member));
			if (v.kind == '{')
				check_json_text(key, expected);
			check_json_value(p, member, depth + 1);
		}
		ck_assert(!json_next(got, &it, &key, &member));
	}
}

START_TEST(json_reply_reads_back_as_it_was_written)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"\\u00e9\"}\n";
	struct prng p = unit_random("json_reply_reads_back_as_it_was_written"), again;
	struct json document, result, id;

	for (int i = 0; i < ROUNDS; i++) {
		memcpy(in, request, sizeof(request));
		ck_assert_uint_eq(take(&wire_json, sizeof(request) - 1), sizeof(request) - 1);
		again = p;
		write_value(&p, NULL, 0);
		reply.ops->end(&reply);
		ck_assert_ptr_null(json_check(out.data, out.len, &document));
		ck_assert(json_member(document, "result", &result));
		ck_assert(json_member(document, "id", &id));
		check_json_text(id, "\xc3\xa9");
		check_json_value(&again, result, 0);
		ck_assert_uint_eq(prng_next(&p), prng_next(&again));
	}
}
END_TEST

/* A decoder's place in a reply. */
static const unsigned char *at;

static size_t get_length(unsigned type)
{
	unsigned size = *at >> 4;
	size_t length = 0;

	ck_assert_uint_eq(*at++ & 15, type);
	if (!(size & 8))
		return size;
	for (size &= 7; size; size--)
		length = length << 8 | *at++;
	return length;
}

static void check_string(unsigned type, const char *text)
{
	size_t length = get_length(type);

	ck_assert_uint_eq(length, strlen(text) + 1);
	ck_assert_mem_eq(at, text, length);
	at += length;
}

static void check_number(uint64_t expected_value)
{
	char digits[24];
	uint64_t value = 0;

	if (expected_value > INT32_MAX) {
		snprintf(digits, sizeof(digits), "%" PRIu64, expected_value);
		check_string(1, digits);
		return;
	}
	for (size_t length = get_length(0); length; length--)
		value = value << 8 | *at++;
	ck_assert_uint_eq(value, expected_value);
}

static void check_binrpc_value(struct prng *p, const char *key, bool top, unsigned depth)
{
	struct value v;
	char child[KEY_MAX], name[64];
	bool bare;

	draw_value(p, depth, &v);
	bare = depth == 0 && v.kind == '['; /* its elements follow each other without brackets */
	if (!top) {
		snprintf(name, sizeof(name), "%-13s", label_of(key ? key : "-"));
		check_string(5, name);
	}
	if (v.kind == 'n') {
		check_number(v.number);
	} else if (v.kind == 's') {
		check_string(1, v.text);
	} else {
		if (!bare)
			ck_assert_uint_eq(*at++, 0x03);
		for (unsigned i = 0; i < v.count; i++) {
			draw_key(p, child);
			check_binrpc_value(p, v.kind == '{' ? child : NULL, bare, depth + 1);
		}
		if (!bare)
			ck_assert_uint_eq(*at++, 0x83);
	}
}

/* A request of method "m". */
static void take_binrpc(const char *cookie, unsigned cookie_length)
{
	in[0] = (char)0xa1;
	in[1] = (char)(cookie_length - 1);
	in[2] = 3;
	memcpy(in + 3, cookie, cookie_length);
	memcpy(in + 3 + cookie_length, "\x21m", 3);
	ck_assert_uint_eq(take(&wire_binrpc, 6 + cookie_length), 6 + cookie_length);
}

START_TEST(binrpc_reply_decodes_to_what_was_written)
{
	struct prng p = unit_random("binrpc_reply_decodes_to_what_was_written"), again;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned cookie = (unsigned)prng_range(&p, 1, 4), width;
		char sent_cookie[4];
		size_t body = 0;

		for (unsigned n = 0; n < cookie; n++)
			sent_cookie[n] = (char)prng_range(&p, 0, 255);
		take_binrpc(sent_cookie, cookie);
		again = p;
		write_value(&p, NULL, 0);
		reply.ops->end(&reply);
		at = (const unsigned char *)out.data;
		ck_assert_uint_eq(at[0], 0xa1);
		width = (at[1] >> 2 & 3) + 1u;
		ck_assert_uint_eq(at[1], 1 << 4 | (width - 1) << 2 | (cookie - 1));
		for (unsigned n = 0; n < width; n++)
			body = body << 8 | at[2 + n];
		ck_assert_uint_eq(out.len, 2 + width + cookie + body);
		ck_assert_mem_eq(at + 2 + width, sent_cookie, cookie);
		at += 2 + width + cookie;
		check_binrpc_value(&again, NULL, true, 0);
		ck_assert_ptr_eq(at, (const unsigned char *)out.data + out.len);
	}
}
END_TEST

UNIT_SUITE(codec, json_reply_reads_back_as_it_was_written, binrpc_reply_decodes_to_what_was_written)
