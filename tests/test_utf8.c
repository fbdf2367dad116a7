/* SPDX-License-Identifier: BSD-2-Clause */
/* Characters, and which of them a terminal obeys. */
#include <string.h>

#include "base/utf8.h"
#include "tests/unit.h"

START_TEST(code_points_are_those_of_their_bytes)
{
	static const struct {
		const char *bytes;
		uint32_t code;
	} cases[] = {
		{ "a", 'a' },
		{ "\xc2\x80", 0x80 },
		{ "\xdf\xbf", 0x7ff },
		{ "\xe0\xa0\x80", 0x800 },
		{ "\xef\xbf\xbf", 0xffff },
		{ "\xf0\x90\x80\x80", 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 0x10ffff },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t length = strlen(cases[i].bytes);

		ck_assert_uint_eq(utf8_length(cases[i].bytes, length), length);
		ck_assert_uint_eq(utf8_code(cases[i].bytes, length), cases[i].code);
		if (length > 1)
			ck_assert_uint_eq(utf8_length(cases[i].bytes, length - 1), 0);
	}
}
END_TEST

START_TEST(what_is_obeyed_or_hidden_is_not_plain_and_its_neighbours_are)
{
	static const uint32_t obeyed[][2] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	      { 0x34f, 0x34f },	    { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfff8 }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < COUNT(obeyed); i++) {
		for (uint32_t code = obeyed[i][0]; code <= obeyed[i][1]; code++)
			ck_assert_msg(!utf8_is_plain(code), "U+%04X", (unsigned)code);
		if (obeyed[i][0])
			ck_assert(utf8_is_plain(obeyed[i][0] - 1));
		ck_assert(utf8_is_plain(obeyed[i][1] + 1));
	}
}
END_TEST

UNIT_SUITE(utf8, code_points_are_those_of_their_bytes, what_is_obeyed_or_hidden_is_not_plain_and_its_neighbours_are)
