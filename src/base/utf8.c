/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells characters from bytes, and text from commands. */
#include "utf8.h"

/* The second byte's bounds are those of Unicode's table 3-7: no overlong forms, no surrogates. */
size_t utf8_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

uint32_t utf8_code(const char *text, size_t length)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code = s[0] & first[length];

	for (size_t i = 1; i < length; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

bool utf8_is_plain(uint32_t code)
{
	static const struct {
		uint32_t from, to;
	} odd[] = {
		{ 0x00, 0x1f },	      { 0x7f, 0x9f },
		{ 0xad, 0xad },	      /* soft hyphen */
		{ 0x34f, 0x34f },     /* combining grapheme joiner */
		{ 0x61c, 0x61c },     /* Arabic letter mark */
		{ 0x115f, 0x1160 },   /* fillers of Hangul */
		{ 0x17b4, 0x17b5 },   /* inherent vowels of Khmer */
		{ 0x180b, 0x180f },   /* variation selectors of Mongolian */
		{ 0x200b, 0x200f },   /* zero width space and joiners, marks of direction */
		{ 0x2028, 0x202e },   /* line and paragraph separator, which alone are not ignorable; embeddings, overrides */
		{ 0x2060, 0x206f },   /* word joiner, invisible operators, isolates */
		{ 0x3164, 0x3164 },   /* another filler of Hangul */
		{ 0xfe00, 0xfe0f },   /* variation selectors */
		{ 0xfeff, 0xfeff },   /* byte order mark */
		{ 0xffa0, 0xffa0 },   /* the halfwidth filler of Hangul */
		{ 0xfff0, 0xfff8 },   /* reserved */
		{ 0x1bca0, 0x1bca3 }, /* format controls of shorthand */
		{ 0x1d173, 0x1d17a }, /* format controls of music */
		{ 0xe0000, 0xe0fff }, /* tags, more variation selectors */
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (code >= odd[i].from && code <= odd[i].to)
			return false;
	return true;
}
