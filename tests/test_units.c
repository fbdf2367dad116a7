/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and times in every form that people may write, and in those that are refused. */
#include <errno.h>

#include "base/units.h"
#include "tests/unit.h"

#define K UINT64_C(1024)
#define UNTOUCHED UINT64_C(0x5ca1ab1e)

struct form {
	const char *text;
	int shift, rc;
	uint64_t value;
};

static const struct form sizes[] = {
	{ "0", 0, 0, 0 },
	{ "10", 0, 0, 10 },
	{ "10", 10, 0, 10 * K },
	{ "10", 40, 0, 10 * K * K * K * K },
	{ "007", 0, 0, 7 },
	{ "10b", 0, 0, 10 },
	{ "10B", 30, 0, 10 },
	{ "10k", 0, 0, 10 * K },
	{ "10K", 0, 0, 10 * K },
	{ "10m", 10, 0, 10 * K * K },
	{ "1g", 0, 0, K * K * K },
	{ "1T", 0, 0, K * K * K * K },
	{ "64KiB", 0, 0, 64 * K },
	{ "64kib", 0, 0, 64 * K },
	{ "2MB", 0, 0, 2 * K * K },
	{ "2mib", 0, 0, 2 * K * K },
	{ "1.5g", 0, 0, 3 * K * K * K / 2 },
	{ "1.5", 10, 0, 1536 },
	{ "0.5k", 0, 0, 512 },
	{ "0.0001k", 0, 0, 0 },
	{ "1.999999999999k", 0, 0, 2047 },
	{ "0.000000001g", 0, 0, 1 },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "16777215t", 0, 0, UINT64_C(16777215) << 40 },
	{ "18446744073709551616", 0, -ERANGE, 0 },
	{ "99999999999999999999999", 0, -ERANGE, 0 },
	{ "16777216t", 0, -ERANGE, 0 },
	{ "18014398509481984", 10, -ERANGE, 0 },
	{ "-1", 0, -EINVAL, 0 },
	{ "+1", 0, -EINVAL, 0 },
	{ "", 0, -EINVAL, 0 },
	{ " 1", 0, -EINVAL, 0 },
	{ "1 ", 0, -EINVAL, 0 },
	{ "1 k", 0, -EINVAL, 0 },
	{ "k", 0, -EINVAL, 0 },
	{ "abc", 0, -EINVAL, 0 },
	{ "0x10", 0, -EINVAL, 0 },
	{ "1e3", 0, -EINVAL, 0 },
	{ ".5k", 0, -EINVAL, 0 },
	{ "1.", 10, -EINVAL, 0 },
	{ "1.k", 0, -EINVAL, 0 },
	{ "1.5", 0, -EINVAL, 0 },
	{ "1.5b", 0, -EINVAL, 0 },
	{ "1.5.5k", 0, -EINVAL, 0 },
	{ "1,5k", 0, -EINVAL, 0 },
	{ "10x", 0, -EINVAL, 0 },
	{ "10bb", 0, -EINVAL, 0 },
	{ "10kk", 0, -EINVAL, 0 },
	{ "10kilobytes", 0, -EINVAL, 0 },
	{ "1Ki", 0, 0, K },
	{ "1KI", 30, 0, K },
	{ "1kib", 0, 0, K },
	{ "1Mi", 0, 0, K * K },
	{ "1MiB", 0, 0, K * K },
	{ "1Gi", 0, 0, K * K * K },
	{ "1GiB", 0, 0, K * K * K },
	{ "1.5gi", 0, 0, K * K * K / 2 * 3 },
	{ "1Ti", 0, 0, K * K * K * K },
	{ "1TiB", 0, 0, K * K * K * K },
	{ "16777216Ti", 0, -ERANGE, 0 },
	{ "1i", 0, -EINVAL, 0 },
	{ "1iB", 0, -EINVAL, 0 },
	{ "1bi", 0, -EINVAL, 0 },
	{ "1Gii", 0, -EINVAL, 0 },
	{ "1Gb i", 0, -EINVAL, 0 },
	{ "1 Gi", 0, -EINVAL, 0 },
	{ "25%", 0, -EINVAL, 0 },
	{ "10kibb", 0, -EINVAL, 0 },
};

static const struct form times[] = {
	{ "0", 0, 0, 0 },
	{ "250", 0, 0, 250 },
	{ "250ms", 0, 0, 250 },
	{ "250MS", 0, 0, 250 },
	{ "1.5s", 0, 0, 1500 },
	{ "0.0019s", 0, 0, 1 },
	{ "10m", 0, 0, 600000 },
	{ "2h", 0, 0, 7200000 },
	{ "1.5h", 0, 0, 5400000 },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "18446744073709551s", 0, 0, UINT64_C(18446744073709551000) },
	{ "18446744073709552s", 0, -ERANGE, 0 },
	{ "5124095576031h", 0, -ERANGE, 0 },
	{ "1.5", 0, -EINVAL, 0 },
	{ "1.5ms", 0, -EINVAL, 0 },
	{ "-5", 0, -EINVAL, 0 },
	{ "", 0, -EINVAL, 0 },
	{ "s", 0, -EINVAL, 0 },
	{ "1d", 0, -EINVAL, 0 },
	{ "1sec", 0, -EINVAL, 0 },
	{ "1 s", 0, -EINVAL, 0 },
};

static const struct form numbers[] = {
	{ "0", 0, 0, 0 },
	{ "18446744073709551615", 0, 0, UINT64_MAX },
	{ "18446744073709551616", 0, -ERANGE, 0 },
	{ "-0", 0, -EINVAL, 0 },
	{ "1k", 0, -EINVAL, 0 },
	{ "1.0", 0, -EINVAL, 0 },
	{ "", 0, -EINVAL, 0 },
};

static const struct form percentages[] = {
	{ "25%", 0, 0, 25000000 },
	{ "12.5%", 0, 0, 12500000 },
	{ "100%", 0, 0, 100000000 },
	{ "100.0%", 0, 0, 100000000 },
	{ "0.000001%", 0, 0, 1 },
	{ "99.9999999%", 0, 0, 99999999 },
	{ "100.000000001%", 0, -EDOM, 0 },
	{ "101%", 0, -EDOM, 0 },
	{ "99999999999999999999%", 0, -EDOM, 0 },
	{ "0%", 0, -EINVAL, 0 },
	{ "0.0000001%", 0, -EINVAL, 0 },
	{ "%", 0, -EINVAL, 0 },
	{ "", 0, -EINVAL, 0 },
	{ "25", 0, -EINVAL, 0 },
	{ "25%%", 0, -EINVAL, 0 },
	{ "25k%", 0, -EINVAL, 0 },
	{ "25%k", 0, -EINVAL, 0 },
	{ "25 %", 0, -EINVAL, 0 },
	{ "-25%", 0, -EINVAL, 0 },
	{ "1e1%", 0, -EINVAL, 0 },
	{ ".5%", 0, -EINVAL, 0 },
	{ "1.%", 0, -EINVAL, 0 },
	{ "nan%", 0, -EINVAL, 0 },
};

static void check_form(const struct form *f, int rc, uint64_t value)
{
	ck_assert_msg(rc == f->rc, "'%s' shift %d: %d instead of %d", f->text, f->shift, rc, f->rc);
	ck_assert_msg(value == (rc ? UNTOUCHED : f->value), "'%s' shift %d: %ju", f->text, f->shift,
		      (uintmax_t)value);
}

START_TEST(sizes_are_read_in_every_form_and_nothing_else)
{
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t value = UNTOUCHED;
		int rc = units_parse_size(sizes[i].text, sizes[i].shift, &value);

		check_form(&sizes[i], rc, value);
	}
}
END_TEST

START_TEST(percentages_are_above_0_and_up_to_100)
{
	for (size_t i = 0; i < COUNT(percentages); i++) {
		uint64_t value = UNTOUCHED;
		int rc = units_parse_percent(percentages[i].text, &value);

		check_form(&percentages[i], rc, value);
	}
}
END_TEST

START_TEST(times_are_milliseconds_unless_they_say_otherwise)
{
	for (size_t i = 0; i < COUNT(times); i++) {
		uint64_t value = UNTOUCHED;
		int rc = units_parse_ms(times[i].text, &value);

		check_form(&times[i], rc, value);
	}
}
END_TEST

START_TEST(numbers_are_plain_digits)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		uint64_t value = UNTOUCHED;
		int rc = units_parse_number(numbers[i].text, &value);

		check_form(&numbers[i], rc, value);
	}
}
END_TEST

START_TEST(first_letter_decides_a_unit_word)
{
	static const struct {
		const char *word;
		int shift;
	} words[] = {
		{ "b", 0 },	   { "B", 0 },	{ "k", 10 }, { "kilobytes", 10 }, { "MB", 20 },
		{ "m", 20 },	   { "G", 30 }, { "t", 40 }, { "Tera", 40 },	  { "", -1 },
		{ "x", -1 },	   { "1", -1 }, { " k", -1 }, { "\xeb", -1 },	  { "-", -1 },
	};

	for (size_t i = 0; i < COUNT(words); i++)
		ck_assert_msg(units_shift(words[i].word) == words[i].shift, "'%s'", words[i].word);
}
END_TEST

START_TEST(bytes_are_shown_rounded_down_to_a_tenth)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} shown[] = {
		{ 0, "0b" },
		{ 1023, "1023b" },
		{ K, "1k" },
		{ K + 102, "1k" },
		{ K + 103, "1.1k" },
		{ 1536, "1.5k" },
		{ K * K - 1, "1023.9k" },
		{ K * K, "1m" },
		{ 5 * K * K * K / 2, "2.5g" },
		{ K * K * K * K, "1t" },
		{ UINT64_MAX, "16777215.9t" },
	};
	char out[UNITS_TEXT_MAX];

	for (size_t i = 0; i < COUNT(shown); i++)
		ck_assert_str_eq(units_bytes(shown[i].bytes, out), shown[i].text);
}
END_TEST

UNIT_SUITE(units, sizes_are_read_in_every_form_and_nothing_else,
	   percentages_are_above_0_and_up_to_100,
	   times_are_milliseconds_unless_they_say_otherwise, numbers_are_plain_digits,
	   first_letter_decides_a_unit_word, bytes_are_shown_rounded_down_to_a_tenth)
