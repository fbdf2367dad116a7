/* SPDX-License-Identifier: BSD-2-Clause */
/* Labels and layout for people. */
#include "label.h"

#include <string.h>

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
	while (depth--)
		buf_char(b, '\t');
	buf_printf(b, "%-13s: ", label_of(key));
}

void label_line(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_char(b, (unsigned char)*text < 0x20 ? '?' : *text);
}
