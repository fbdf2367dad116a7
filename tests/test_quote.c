/* SPDX-License-Identifier: BSD-2-Clause */
/* Foreign text in a log. */
#include <string.h>

#include "base/quote.h"
#include "tests/unit.h"

START_TEST(words_are_bare_or_in_quotes)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{ "10k", "10k" },
		{ "/var/log/mt-1_2.log", "/var/log/mt-1_2.log" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a\"b\\", "\"a\\\"b\\\\\"" },
		{ "a\nb", "\"a\\x0ab\"" },
		{ "\x1b[31m", "\"\\x1b[31m\"" },
		{ "\x7f", "\"\\x7f\"" },
		{ "\xc2\x85", "\"\\xc2\\x85\"" },
		{ "\xc2\x9b", "\"\\xc2\\x9b\"" },
		{ "\xe2\x80\xae", "\"\\xe2\\x80\\xae\"" },
		{ "\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"" },
		{ "\xff\xc3", "\"\\xff\\xc3\"" },
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
	};
	char out[QUOTE_WORD_MAX];

	for (size_t i = 0; i < COUNT(cases); i++) {
		ck_assert_uint_eq(quote_word(out, cases[i].text), strlen(cases[i].quoted));
		ck_assert_str_eq(out, cases[i].quoted);
	}
}
END_TEST

START_TEST(long_word_is_cut_behind_a_whole_character)
{
	char text[300], out[QUOTE_WORD_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_uint_eq(quote_word(out, text), QUOTE_WORD_SHOWN + 3);
	ck_assert_str_eq(out + QUOTE_WORD_SHOWN, "...");
	memcpy(text + QUOTE_WORD_SHOWN - 1, "\xc3\xa9", 2);
	quote_word(out, text);
	ck_assert_str_eq(out + QUOTE_WORD_SHOWN - 1, "...");
	memset(text, '\xff', sizeof(text) - 1);
	ck_assert_uint_eq(quote_word(out, text), QUOTE_WORD_MAX - 1);
	ck_assert_str_eq(out + QUOTE_WORD_MAX - 1 - 4, "\"...");
}
END_TEST

START_TEST(line_ends_before_what_does_not_fit)
{
	char out[8];

	ck_assert_uint_eq(quote_line(out, sizeof(out), "abcd\n"), 4);
	ck_assert_str_eq(out, "abcd");
	ck_assert_uint_eq(quote_line(out, sizeof(out), "abc\n"), 7);
	ck_assert_str_eq(out, "abc\\x0a");
	ck_assert_uint_eq(quote_line(out, sizeof(out), "a \"\\ b"), 6);
	ck_assert_str_eq(out, "a \"\\ b");
}
END_TEST

UNIT_SUITE(quote, words_are_bare_or_in_quotes, long_word_is_cut_behind_a_whole_character, line_ends_before_what_does_not_fit)
