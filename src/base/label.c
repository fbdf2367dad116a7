/* SPDX-License-Identifier: BSD-2-Clause */
/* Labels and layout for people. */
#include "label.h"

#include <string.h>

#include "utf8.h"

#define COLUMNS 13

const char *label_of(const char *key)
{
	static const struct {
		const char *key, *label;
	} spelled[] = {
		{ "id", "ID" },
		{ "run_time_s", "run time (s)" },
		{ "remaining_s", "remaining (s)" },
		{ "total_alloc", "total alloc" },
	};

	for (size_t i = 0; i < sizeof(spelled) / sizeof(spelled[0]); i++)
		if (strcmp(spelled[i].key, key) == 0)
			return spelled[i].label;
	return key;
}

void label_member(struct buf *b, unsigned depth, const char *key)
{
	size_t start;

	while (depth--)
		buf_char(b, '\t');
	start = b->len;
	label_line(b, label_of(key));
	buf_printf(b, "%*s: ", b->len - start < COLUMNS ? (int)(COLUMNS - (b->len - start)) : 0, "");
}

/* Each character that is not plain, and not one of `kept`, becomes a '?', as does each byte that is no UTF-8. */
static void add_plain(struct buf *b, const char *text, size_t len, const char *kept)
{
	const char *start = text, *end = text + len;

	while (text < end) {
		size_t step = utf8_length(text, (size_t)(end - text));

		if (step && (utf8_is_plain(utf8_code(text, step)) || (*text && strchr(kept, *text)))) {
			text += step;
			continue;
		}
		buf_add(b, start, (size_t)(text - start));
		buf_char(b, '?');
		text += step ? step : 1;
		start = text;
	}
	buf_add(b, start, (size_t)(end - start));
}

void label_line(struct buf *b, const char *text)
{
	add_plain(b, text, strlen(text), "");
}

void label_page(struct buf *b, const char *text, size_t len)
{
	add_plain(b, text, len, "\n\t");
}
