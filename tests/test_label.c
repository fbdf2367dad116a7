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
	check_and_free(&b, "a?b?c?d?e\x7f\xc3\xa9 ");
}
END_TEST

UNIT_SUITE(label, only_the_specifications_keys_are_spelled_otherwise,
	   label_takes_thirteen_columns_behind_its_tabs, value_stays_on_one_line)
