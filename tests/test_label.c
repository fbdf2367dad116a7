/* SPDX-License-Identifier: BSD-2-Clause */
/* kamcmd's layout: the specification's spellings, thirteen columns, one line a value. */
#include <string.h>

#include "base/label.h"
#include "tests/unit.h"

static void check_and_free(struct buf *b, const char *text)
{
	ck_assert_uint_eq(b->len, strlen(text));
	ck_assert_mem_eq(b->data, text, b->len);
	buf_free(b);
}

START_TEST(only_the_specifications_keys_are_spelled_otherwise)
{
	static const char *const labels[][2] = {
		{ "id", "ID" },
		{ "run_time_s", "run time (s)" },
		{ "remaining_s", "remaining (s)" },
		{ "total_alloc", "total alloc" },
		{ "allocations", "allocations" },
		{ "hand_bytes", "hand_bytes" },
		{ "", "" },
	};

	for (size_t i = 0; i < COUNT(labels); i++)
		ck_assert_str_eq(label_of(labels[i][0]), labels[i][1]);
}
END_TEST

START_TEST(label_takes_thirteen_columns_behind_its_tabs)
{
	struct buf b = { 0 };

	label_member(&b, 1, "remaining_s");
	label_member(&b, 0, "id");
	label_member(&b, 3, "a_key_of_seventeen");
	check_and_free(&b, "\tremaining (s): ID           : \t\t\ta_key_of_seventeen: ");
}
END_TEST

START_TEST(value_stays_on_one_line)
{
	struct buf b = { 0 };

	label_line(&b, "a\nb\rc\td\x01"
		       "e\x7f\xc3\xa9 ");
	check_and_free(&b, "a?b?c?d?e?\xc3\xa9 ");
}
END_TEST

/* U+009B, U+009D, the controls of direction, line separators; then C1 as bytes, half a character, an overlong NUL. */
#define OBEYED "\x1b[2J|\xc2\x9b|\xc2\x9d|\xd8\x9c|\xe2\x80\x8e|\xe2\x80\x8f|\xe2\x80\xa8|\xe2\x80\xaa|" \
	       "\xe2\x80\xae|\xe2\x81\xa6|\xe2\x81\xa9|"
/* A soft hyphen, a zero width space, a byte order mark, a tag. */
#define HIDDEN "\xc2\xad|\xe2\x80\x8b|\xef\xbb\xbf|\xf3\xa0\x81\x81|"
#define BROKEN "\x9b|\x9d|\xe2\x80|\xc0\x80|\xff"

START_TEST(nothing_that_a_terminal_obeys_or_hides_is_shown)
{
	struct buf b = { 0 };

	label_line(&b, OBEYED HIDDEN BROKEN);
	check_and_free(&b, "?[2J|?|?|?|?|?|?|?|?|?|?|?|?|?|?|?|?|\?\?|\?\?|?");
}
END_TEST

START_TEST(neighbours_of_what_is_obeyed_are_shown)
{
	static const char text[] = "\xc2\xa0 \xe2\x80\x8a \xe2\x80\xaf \xe2\x81\xb0 \xf0\x9f\x98\x80 \\ \" '";
	struct buf b = { 0 };

	label_line(&b, text);
	check_and_free(&b, text);
}
END_TEST

START_TEST(page_keeps_its_lines_and_tabs)
{
	static const char text[] = "a\n\tb\r\0c";
	struct buf b = { 0 };

	label_page(&b, text, sizeof(text) - 1);
	check_and_free(&b, "a\n\tb\?\?c");
}
END_TEST

START_TEST(label_is_one_line_too)
{
	struct buf b = { 0 };

	label_member(&b, 0, "a\n\x1b[2J");
	check_and_free(&b, "a??[2J       : ");
}
END_TEST

UNIT_SUITE(label, only_the_specifications_keys_are_spelled_otherwise,
	   label_takes_thirteen_columns_behind_its_tabs, value_stays_on_one_line,
	   nothing_that_a_terminal_obeys_or_hides_is_shown, neighbours_of_what_is_obeyed_are_shown,
	   page_keeps_its_lines_and_tabs, label_is_one_line_too)
