/* SPDX-License-Identifier: BSD-2-Clause */
/* Escapes, for log.c and for who composes its lines. */
#include "quote.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

#define BARE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/=:%+,@~"

struct sink {
	char *out;
	size_t room, len;
};

static bool put(struct sink *s, const char *bytes, size_t count)
{
	if (count >= s->room - s->len)
		return false;
	memcpy(s->out + s->len, bytes, count);
	s->len += count;
	s->out[s->len] = '\0';
	return true;
}

static bool put_bytes_told(struct sink *s, const char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char told[4 * 4];

	for (size_t i = 0; i < count; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		const char one[] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };

		memcpy(told + 4 * i, one, sizeof(one));
	}
	return put(s, told, 4 * count);
}

/* Of `size` bytes; `slashed` are the characters that get a backslash. */
static void put_text(struct sink *s, const char *text, size_t size, const char *slashed)
{
	const char *end = text + size;
	bool fits = true;

	while (fits && text < end) {
		size_t step = utf8_length(text, (size_t)(end - text));
		bool plain = step && utf8_is_plain(utf8_code(text, step));
		const char pair[] = { '\\', *text };

		step = step ? step : 1;
		if (!plain)
			fits = put_bytes_told(s, text, step);
		else if (strchr(slashed, *text))
			fits = put(s, pair, sizeof(pair));
		else
			fits = put(s, text, step);
		text += step;
	}
}

size_t quote_line(char *out, size_t cap, const char *text)
{
	struct sink s = { .out = out, .room = cap };

	*out = '\0';
	put_text(&s, text, strlen(text), "");
	return s.len;
}

/* At the end of a character, where the text is UTF-8. */
static size_t shown(const char *text, size_t size)
{
	size_t at = 0, step = 0;

	if (size <= QUOTE_WORD_SHOWN)
		return size;
	for (; at + step <= QUOTE_WORD_SHOWN; step = utf8_length(text + at, size - at), step += !step)
		at += step;
	return at;
}

size_t quote_word(char out[QUOTE_WORD_MAX], const char *text)
{
	struct sink s = { .out = out, .room = QUOTE_WORD_MAX };
	size_t size = strlen(text), most = shown(text, size);
	bool bare = size && strspn(text, BARE) >= most;

	*out = '\0';
	if (!bare)
		put(&s, "\"", 1);
	put_text(&s, text, most, bare ? "" : "\"\\");
	if (!bare)
		put(&s, "\"", 1);
	if (most < size)
		put(&s, "...", 3);
	return s.len;
}
