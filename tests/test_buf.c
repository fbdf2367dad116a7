/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte buffer: what is appended is there, whole or not at all. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit.h"

static void check_content(const struct buf *b, const char *text)
{
	ck_assert_uint_eq(b->len, strlen(text));
	ck_assert_mem_eq(b->data, text, b->len);
	ck_assert(!b->failed);
}

START_TEST(appends_of_every_kind_follow_each_other)
{
	struct buf b = { 0 };

	buf_add(&b, "ab", 2);
	buf_add(&b, "", 0);
	buf_char(&b, 'c');
	buf_str(&b, "def");
	buf_printf(&b, "%d-%s", 42, "x");
	check_content(&b, "abcdef42-x");
	buf_free(&b);
	ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(content_survives_growth)
{
	struct buf b = { 0 };

	for (unsigned i = 0; i < 100000; i++)
		buf_char(&b, (char)('a' + i % 26));
	ck_assert_uint_eq(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		ck_assert_int_eq(b.data[i], (char)('a' + i % 26));
	buf_free(&b);
}
END_TEST

START_TEST(formatted_text_longer_than_the_room_is_whole)
{
	struct buf b;

	ck_assert_int_eq(buf_init(&b, 1), 0);
	ck_assert_uint_eq(b.cap, 4096);
	buf_printf(&b, "%4095d", 7);
	ck_assert_uint_eq(b.len, 4095);
	ck_assert_uint_eq(b.cap, 4096);
	buf_clear(&b, 4096);
	buf_printf(&b, "%4096d", 7);
	ck_assert_uint_gt(b.cap, 4096); /* the closing NUL needs room too */
	buf_clear(&b, 4096);
	buf_printf(&b, "%4095d", 7);
	buf_printf(&b, "%5000d", 8);
	ck_assert_uint_eq(b.len, 9095);
	ck_assert_int_eq(b.data[4094], '7');
	ck_assert_int_eq(b.data[9094], '8');
	buf_free(&b);
}
END_TEST

START_TEST(clearing_gives_back_what_it_grew)
{
	struct buf b;

	ck_assert_int_eq(buf_init(&b, 8192), 0);
	ck_assert_ptr_nonnull(buf_room(&b, 1 << 20));
	ck_assert_uint_ge(b.cap, 1 << 20);
	buf_str(&b, "x");
	buf_clear(&b, 8192);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(b.cap, 8192);
	buf_str(&b, "again");
	check_content(&b, "again");
	buf_free(&b);
}
END_TEST

START_TEST(consuming_drops_the_front)
{
	struct buf b = { 0 };

	buf_str(&b, "GET mt.mem_used");
	buf_consume(&b, 4);
	check_content(&b, "mt.mem_used");
	buf_consume(&b, 11);
	check_content(&b, "");
	buf_free(&b);
}
END_TEST

START_TEST(what_does_not_fit_sets_failed_and_changes_nothing)
{
	struct buf b = { 0 };

	buf_str(&b, "kept");
	ck_assert_ptr_null(buf_room(&b, SIZE_MAX / 4));
	ck_assert(b.failed);
	ck_assert_uint_eq(b.len, 4);
	ck_assert_mem_eq(b.data, "kept", 4);
	buf_clear(&b, 4096);
	ck_assert(!b.failed);
	buf_free(&b);
	ck_assert_int_eq(buf_init(&b, SIZE_MAX / 4), -ENOMEM);
	ck_assert_uint_eq(b.cap, 0);
}
END_TEST

UNIT_SUITE(buf, appends_of_every_kind_follow_each_other, content_survives_growth,
	   formatted_text_longer_than_the_room_is_whole, clearing_gives_back_what_it_grew,
	   consuming_drops_the_front, what_does_not_fit_sets_failed_and_changes_nothing)
