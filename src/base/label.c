/* SPDX-License-Identifier: BSD-2-Clause */
/* Labels and layout for people. */
#include "label.h"

#include <stdio.h>
#include <string.h>

char *label_from_key(const char *key, char label[LABEL_MAX])
{
	static const struct {
		const char *end, *unit;
	} units[] = { { "_s", " (s)" }, { "_ms", " (ms)" } };
	size_t length = strlen(key);
	const char *unit = "";

	if (strcmp(key, "id") == 0)
		return strcpy(label, "ID");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t end = strlen(units[i].end);

		if (length > end && strcmp(key + length - end, units[i].end) == 0) {
			unit = units[i].unit;
			length -= end;
			break;
		}
	}
	snprintf(label, LABEL_MAX, "%.*s%s", (int)length, key, unit);
	for (char *p = label; *p; p++)
		if (*p == '_')
			*p = ' ';
	return label;
}

void label_member(struct buf *b, unsigned depth, const char *key)
{
	char label[LABEL_MAX];

	while (depth--)
		buf_char(b, '\t');
	buf_printf(b, "%-13s: ", label_from_key(key, label));
}

void label_line(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_char(b, (unsigned char)*text < 0x20 ? '?' : *text);
}
