/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and quotes JSON. The grammar is checked once, by json_check; everything else walks a
   text known to be good. The server calls this on our thread, mtctl on its own. */
#include "json.h"

#include <errno.h>
#include <string.h>

#include "utf8.h"

struct cursor {
	const char *p, *end;
	const char *error;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && is_blank(*c->p))
		c->p++;
}

static bool fail(struct cursor *c, const char *error)
{
	if (!c->error)
		c->error = error;
	return false;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static long hex4(const char *p)
{
	long v = 0;

	for (int i = 0; i < 4; i++) {
		int h = hex_value(p[i]);

		if (h < 0)
			return -1;
		v = v << 4 | h;
	}
	return v;
}

static bool check_string(struct cursor *c)
{
	for (c->p++; c->p < c->end; c->p++) {
		unsigned char ch = (unsigned char)*c->p;

		if (ch == '"') {
			c->p++;
			return true;
		}
		if (ch < 0x20)
			return fail(c, "control character in a string");
		if (ch >= 0x80) {
			size_t length = utf8_length(c->p, (size_t)(c->end - c->p));

			if (!length)
				return fail(c, "a string that is not UTF-8");
			c->p += length - 1;
			continue;
		}
		if (ch != '\\')
			continue;
		if (++c->p == c->end)
			break;
		if (*c->p == 'u') {
			if (c->end - c->p < 5 || hex4(c->p + 1) < 0)
				return fail(c, "bad \\u escape");
			c->p += 4;
		} else if (*c->p == '\0' || !strchr("\"\\/bfnrt", *c->p)) {
			return fail(c, "unknown escape");
		}
	}
	return fail(c, "string without an end");
}

static bool check_digits(struct cursor *c)
{
	if (c->p == c->end || !is_digit(*c->p))
		return fail(c, "bad number");
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return true;
}

static bool check_number(struct cursor *c)
{
	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else if (!check_digits(c))
		return false;
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		if (!check_digits(c))
			return false;
	}
	if (c->p < c->end && (*c->p | 0x20) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		return check_digits(c);
	}
	return true;
}

static bool check_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0)
		return fail(c, "unknown word");
	c->p += len;
	return true;
}

static bool check_value(struct cursor *c, int depth);

static bool check_member_key(struct cursor *c)
{
	skip_blanks(c);
	if (c->p == c->end || *c->p != '"')
		return fail(c, "expected a quoted name");
	if (!check_string(c))
		return false;
	skip_blanks(c);
	if (c->p == c->end || *c->p != ':')
		return fail(c, "expected ':'");
	c->p++;
	return true;
}

static bool check_container(struct cursor *c, int depth)
{
	bool object = *c->p++ == '{';
	char close = object ? '}' : ']';

	if (depth == JSON_DEPTH_MAX)
		return fail(c, "nested too deeply");
	skip_blanks(c);
	if (c->p < c->end && *c->p == close) {
		c->p++;
		return true;
	}
	for (;;) {
		if (object && !check_member_key(c))
			return false;
		if (!check_value(c, depth + 1))
			return false;
		skip_blanks(c);
		if (c->p == c->end)
			return fail(c, "ends too early");
		if (*c->p == close) {
			c->p++;
			return true;
		}
		if (*c->p++ != ',') {
			c->p--;
			return fail(c, object ? "expected ',' or '}'" : "expected ',' or ']'");
		}
	}
}

static bool check_value(struct cursor *c, int depth)
{
	skip_blanks(c);
	if (c->p == c->end)
		return fail(c, "ends too early");
	switch (*c->p) {
	case '{':
	case '[':
		return check_container(c, depth);
	case '"':
		return check_string(c);
	case 't':
		return check_word(c, "true");
	case 'f':
		return check_word(c, "false");
	case 'n':
		return check_word(c, "null");
	default:
		if (*c->p == '-' || is_digit(*c->p))
			return check_number(c);
		return fail(c, "unexpected character");
	}
}

const char *json_check(const char *text, size_t len, struct json *value)
{
	struct cursor c = { .p = text, .end = text + len };
	const char *start;

	skip_blanks(&c);
	start = c.p;
	if (check_value(&c, 0)) {
		*value = (struct json){ start, (size_t)(c.p - start) };
		skip_blanks(&c);
		if (c.p == c.end)
			return NULL;
		fail(&c, "more after the value");
	}
	*value = (struct json){ c.p, (size_t)(c.end - c.p) };
	return c.error;
}

char json_kind(struct json v)
{
	switch (v.at[0]) {
	case '{':
		return 'o';
	case '[':
		return 'a';
	case '"':
		return 's';
	case 't':
	case 'f':
		return v.at[0];
	case 'n':
		return 'l';
	default:
		return 'n';
	}
}

/* The end of the good value that starts at `p`. */
static const char *skip_value(const char *p, const char *end)
{
	struct cursor c = { .p = p, .end = end };

	check_value(&c, 0);
	return c.p;
}

bool json_next(struct json v, struct json_iter *it, struct json *key, struct json *value)
{
	const char *end = v.at + v.len;
	struct cursor c = { .p = it->next ? it->next : v.at + 1, .end = end };

	skip_blanks(&c);
	if (*c.p == ',') {
		c.p++;
		skip_blanks(&c);
	}
	if (c.p == end - 1)
		return false;
	if (*v.at == '{') {
		const char *name = c.p;

		check_string(&c);
		if (key)
			*key = (struct json){ name, (size_t)(c.p - name) };
		skip_blanks(&c);
		c.p++;
		skip_blanks(&c);
	}
	it->next = skip_value(c.p, end);
	*value = (struct json){ c.p, (size_t)(it->next - c.p) };
	return true;
}

bool json_is(struct json v, const char *text)
{
	char word[128];

	return json_kind(v) == 's' && json_text(v, word, sizeof(word)) >= 0 &&
	       strcmp(word, text) == 0;
}

bool json_member(struct json object, const char *name, struct json *value)
{
	struct json_iter it = { 0 };
	struct json key = object;

	if (json_kind(object) != 'o')
		return false;
	while (json_next(object, &it, &key, value))
		if (json_is(key, name))
			return true;
	return false;
}

/* UTF-8 (RFC 3629) of one code point; returns its length. */
static size_t utf8(long code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Reads the escape behind a backslash at `*p`, advancing it; surrogate pairs are joined,
   a lone half becomes U+FFFD. */
static long unescape(const char **p, const char *end)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	char c = *(*p)++;
	const char *at;
	long code, low;

	if (c != 'u') {
		at = strchr(from, c);
		return at ? to[at - from] : c;
	}
	code = hex4(*p);
	*p += 4;
	if (code < 0xd800 || code > 0xdfff)
		return code;
	if (code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hex4(*p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return 0xfffd;
}

long json_text(struct json v, char *out, size_t cap)
{
	const char *p = v.at + 1, *end = v.at + v.len - 1;
	size_t n = 0;

	while (p < end) {
		char bytes[4];
		size_t len = 1;

		if (*p == '\\') {
			p++;
			len = utf8(unescape(&p, end), bytes);
		} else {
			bytes[0] = *p++;
		}
		if (len == 1 && bytes[0] == '\0')
			return -EILSEQ;
		if (n + len >= cap)
			return -EMSGSIZE;
		memcpy(out + n, bytes, len);
		n += len;
	}
	out[n] = '\0';
	return (long)n;
}

/* From U+10000 on there are two of them (RFC 8259, 7). */
static void add_escape(struct buf *b, uint32_t code)
{
	if (code == '\n')
		buf_str(b, "\\n");
	else if (code == '\t')
		buf_str(b, "\\t");
	else if (code < 0x10000)
		buf_printf(b, "\\u%04x", (unsigned)code);
	else
		buf_printf(b, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
			   (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
}

void json_quote(struct buf *b, const char *text, size_t len)
{
	buf_char(b, '"');
	while (len) {
		size_t step = utf8_length(text, len);
		uint32_t code = step ? utf8_code(text, step) : 0;

		if (step == 0) {
			buf_str(b, "\xef\xbf\xbd");
			step = 1;
		} else if (code == '"' || code == '\\') {
			buf_char(b, '\\');
			buf_char(b, *text);
		} else if (!utf8_is_plain(code)) {
			add_escape(b, code);
		} else {
			buf_add(b, text, step);
		}
		text += step;
		len -= step;
	}
	buf_char(b, '"');
}

void json_copy(struct buf *b, struct json v)
{
	const char *start = v.at, *end = v.at + v.len;

	for (const char *p = v.at; p < end;) {
		size_t step = utf8_length(p, (size_t)(end - p));
		uint32_t code = utf8_code(p, step);

		if (!utf8_is_plain(code)) {
			buf_add(b, start, (size_t)(p - start));
			if (code < 0x20) /* between values; in strings json_check refuses it */
				buf_char(b, ' ');
			else
				add_escape(b, code);
			start = p + step;
		}
		p += step;
	}
	buf_add(b, start, (size_t)(end - start));
}
