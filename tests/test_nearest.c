/* SPDX-License-Identifier: BSD-2-Clause */
/* Which word is the nearest to a mistyped one, and when none is near enough. */
#include <string.h>

#include "base/nearest.h"
#include "tests/unit.h"

START_TEST(distance_counts_each_slip_once)
{
	static const struct {
		const char *word, *candidate;
		unsigned distance;
	} near[] = {
		{ "aloc", "alloc", 1 },	 { "allocc", "alloc", 1 },
		{ "allok", "alloc", 1 },    { "lalocs", "alloc", 2 },	 { "allco", "alloc", 1 },
		{ "kitten", "sitting", 3 }, { "max_byte", "max_bytes", 1 },
	};

	for (size_t i = 0; i < COUNT(near); i++) {
		struct nearest n = { .word = near[i].word };

		nearest_offer(&n, near[i].candidate);
		ck_assert_msg(n.best != NULL, "%s is near %s", near[i].word, near[i].candidate);
		ck_assert_uint_eq(n.distance, near[i].distance);
	}
}
END_TEST

START_TEST(word_that_is_far_from_all_has_no_nearest)
{
	static const char *const far[][2] = {
		{ "frobnicate", "mt.mem_alloc" },
		{ "abc", "xyz" },
		{ "x", "alloc" },
		{ "", "a" },
		{ "x", "y" },
		{ "\xff", "\n" },
		{ "touch", "check_content" },
	};

	for (size_t i = 0; i < COUNT(far); i++) {
		struct nearest n = { .word = far[i][0] };

		nearest_offer(&n, far[i][1]);
		ck_assert_msg(n.best == NULL, "%s is not near %s", far[i][0], far[i][1]);
	}
}
END_TEST

START_TEST(nearest_of_several_wins_whatever_the_order)
{
	static const char *const words[] = { "mt.mem_free", "mt.mem_used", "mt.mem_alloc" };

	for (size_t first = 0; first < COUNT(words); first++) {
		struct nearest n = { .word = "mt.mem_usde" };

		for (size_t i = 0; i < COUNT(words); i++)
			nearest_offer(&n, words[(first + i) % COUNT(words)]);
		ck_assert_str_eq(n.best, "mt.mem_used");
	}
}
END_TEST

START_TEST(very_long_words_are_passed_over)
{
	char word[400];
	struct nearest n = { .word = word };

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	nearest_offer(&n, word);
	ck_assert_ptr_null(n.best);
	word[48] = '\0';
	nearest_offer(&n, word + 1);
	ck_assert_ptr_eq(n.best, word + 1);
}
END_TEST

START_TEST(word_itself_is_never_the_nearest)
{
	static const char *const words[] = { "alloc", "x", "", "a\nb", "\xff\xfe" };

	for (size_t i = 0; i < COUNT(words); i++) {
		struct nearest n = { .word = words[i] };

		nearest_offer(&n, words[i]);
		ck_assert_ptr_null(n.best);
	}
}
END_TEST

START_TEST(what_is_shown_may_be_more_than_what_is_compared)
{
	struct nearest n = { .word = "mem_used" }, same = { .word = "mt.mem_used" };

	nearest_offer_as(&n, "mem_used", "mt.mem_used");
	ck_assert_str_eq(n.best, "mt.mem_used");
	ck_assert_uint_eq(n.distance, 0);
	nearest_offer_as(&same, "mt.mem_use", "mt.mem_used");
	ck_assert_ptr_null(same.best);
}
END_TEST

UNIT_SUITE(nearest, distance_counts_each_slip_once, word_that_is_far_from_all_has_no_nearest,
	   nearest_of_several_wins_whatever_the_order, very_long_words_are_passed_over,
	   word_itself_is_never_the_nearest, what_is_shown_may_be_more_than_what_is_compared)
