/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON: what the grammar accepts and refuses, reading values in place, and quoting. */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "tests/unit.h"

static const char *const good[] = {
	"{}", "[]", "null", "true", "false", "0", "-0", "10", "-1", "0.5", "1e3", "1E+3", "1.5e-3",
	"\"\"", " \t\r\n[ ] \n", "[1,2]", "[ 1 , 2 ]", "{\"a\":1}", "{ \"a\" : [ { } ] }",
	"{\"a\":1,\"a\":2}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\\uD834\\uDD1E\"",
	"\"\xc3\xa9\"", "123456789012345678901234567890", "[[[[[[]]]]]]", "\"\x7f\"",
};

static const struct {
	const char *text, *error;
	size_t at; /* where it is seen */
} bad[] = {
	{ "", "ends too early", 0 },
	{ "  ", "ends too early", 2 },
	{ "nul", "unknown word", 0 },
	{ "True", "unexpected character", 0 },
	{ "'a'", "unexpected character", 0 },
	{ "1 2", "more after the value", 2 },
	{ "{} x", "more after the value", 3 },
	{ "01", "more after the value", 1 },
	{ "+1", "unexpected character", 0 },
	{ ".5", "unexpected character", 0 },
	{ "1.", "bad number", 2 },
	{ "1.e3", "bad number", 2 },
	{ "-", "bad number", 1 },
	{ "-a", "bad number", 1 },
	{ "1e", "bad number", 2 },
	{ "1e+", "bad number", 3 },
	{ "0x10", "more after the value", 1 },
	{ "NaN", "unexpected character", 0 },
	{ "[", "ends too early", 1 },
	{ "[1", "ends too early", 2 },
	{ "[1,", "ends too early", 3 },
	{ "[1,]", "unexpected character", 3 },
	{ "[,1]", "unexpected character", 1 },
	{ "[1 2]", "expected ',' or ']'", 3 },
	{ "[1}", "expected ',' or ']'", 2 },
	{ "{1:2}", "expected a quoted name", 1 },
	{ "{\"a\"}", "expected ':'", 4 },
	{ "{\"a\" 1}", "expected ':'", 5 },
	{ "{\"a\":1,}", "expected a quoted name", 7 },
	{ "{\"a\":1]", "expected ',' or '}'", 6 },
	{ "{\"a\":}", "unexpected character", 5 },
	{ "\"a", "string without an end", 2 },
	{ "\"a\\\"", "string without an end", 4 },
	{ "\"\\", "string without an end", 2 },
	{ "\"\\x\"", "unknown escape", 2 },
	{ "\"\\u12\"", "bad \\u escape", 2 },
	{ "\"\\u12g4\"", "bad \\u escape", 2 },
	{ "\"\t\"", "control character in a string", 1 },
	{ "\"\n\"", "control character in a string", 1 },
};

static struct json parse(const char *text)
{
	struct json v;
	const char *error = json_check(text, strlen(text), &v);

	ck_assert_msg(!error, "%s: %s", text, error);
	return v;
}

START_TEST(good_texts_are_accepted_without_their_blanks)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		struct json v = parse(good[i]);
		size_t lead = strspn(good[i], " \t\r\n");

		ck_assert_ptr_eq(v.at, good[i] + lead);
		ck_assert_int_ne(v.at[v.len - 1], ' ');
	}
}
END_TEST

START_TEST(bad_texts_are_refused_with_reason_and_place)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct json v = { 0 };
		size_t len = strlen(bad[i].text);
		const char *error = json_check(bad[i].text, len, &v);

		ck_assert_msg(error != NULL, "%s is refused", bad[i].text);
		ck_assert_str_eq(error, bad[i].error);
		ck_assert_msg(v.at == bad[i].text + bad[i].at, "%s: seen at %td", bad[i].text,
			      v.at - bad[i].text);
		ck_assert_uint_eq(v.len, len - bad[i].at);
	}
}
END_TEST

START_TEST(every_prefix_of_a_document_is_refused)
{
	static const char text[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"m\\u00e9\",\"params\":[1,-2.5e3,true,null,{}]}";
	struct json v;

	for (size_t len = 0; len < sizeof(text) - 1; len++)
		ck_assert_msg(json_check(text, len, &v), "the first %zu bytes", len);
	ck_assert_ptr_null(json_check(text, sizeof(text) - 1, &v));
}
END_TEST

START_TEST(nul_is_no_part_of_a_document)
{
	struct json v;

	ck_assert_str_eq(json_check("1\0", 2, &v), "more after the value");
	ck_assert_str_eq(json_check("\"\0\"", 3, &v), "control character in a string");
	ck_assert_str_eq(json_check("\"\\\0\"", 4, &v), "unknown escape");
}
END_TEST

START_TEST(nesting_is_good_to_64_levels)
{
	char text[4 * JSON_DEPTH_MAX];
	struct json v;

	for (size_t depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		ck_assert_int_eq(json_check(text, 2 * depth, &v) == NULL, depth <= JSON_DEPTH_MAX);
	}
	ck_assert_str_eq(json_check(text, 2 * (JSON_DEPTH_MAX + 1), &v), "nested too deeply");
}
END_TEST

START_TEST(kind_follows_from_the_first_byte)
{
	static const struct {
		const char *text;
		char kind;
	} kinds[] = { { "{}", 'o' },	{ "[]", 'a' },	  { "\"x\"", 's' }, { "-1", 'n' },
		      { "0", 'n' },	{ "true", 't' },  { "false", 'f' }, { "null", 'l' } };

	for (size_t i = 0; i < COUNT(kinds); i++)
		ck_assert_int_eq(json_kind(parse(kinds[i].text)), kinds[i].kind);
}
END_TEST

static void check_value(struct json v, const char *text)
{
	ck_assert_uint_eq(v.len, strlen(text));
	ck_assert_mem_eq(v.at, text, v.len);
}

START_TEST(walk_visits_nested_values_whole)
{
	static const char *const keys[] = { "\"a\"", "\"b}\"", "\"c\"", "\"d\"" };
	static const char *const values[] = { "[1,[2,{\"x\":\"]\"}]]", "{\"y\":[]}", "\"}\\\"\"",
					      "-1.5e3" };
	struct json v = parse("{ \"a\" : [1,[2,{\"x\":\"]\"}]] , \"b}\":{\"y\":[]},"
			      "\"c\":\"}\\\"\",\"d\":-1.5e3 }");
	struct json_iter it = { 0 };
	struct json key, value;

	for (size_t i = 0; i < COUNT(keys); i++) {
		ck_assert(json_next(v, &it, &key, &value));
		check_value(key, keys[i]);
		check_value(value, values[i]);
	}
	ck_assert(!json_next(v, &it, &key, &value));
	ck_assert(!json_next(v, &it, &key, &value));
}
END_TEST

START_TEST(walk_of_an_array_needs_no_keys)
{
	struct json v = parse("[ 1 ,\"two\", [3] ]"), value;
	struct json_iter it = { 0 }, none = { 0 };

	ck_assert(json_next(v, &it, NULL, &value));
	check_value(value, "1");
	ck_assert(json_next(v, &it, NULL, &value));
	check_value(value, "\"two\"");
	ck_assert(json_next(v, &it, NULL, &value));
	check_value(value, "[3]");
	ck_assert(!json_next(v, &it, NULL, &value));
	ck_assert(!json_next(parse("[ ]"), &none, NULL, &value));
}
END_TEST

START_TEST(first_of_two_equal_members_counts)
{
	struct json v = parse("{\"b\":0,\"id\":1,\"id\":2,\"\\u006dethod\":3,\"n\":{\"z\":4}}");
	struct json value;

	ck_assert(json_member(v, "id", &value));
	check_value(value, "1");
	ck_assert(json_member(v, "method", &value));
	check_value(value, "3");
	ck_assert(!json_member(v, "z", &value));
	ck_assert(!json_member(v, "i", &value));
	ck_assert(!json_member(parse("{}"), "id", &value));
}
END_TEST

START_TEST(strings_are_unescaped)
{
	static const char *const texts[][2] = {
		{ "\"\"", "" },
		{ "\"plain\"", "plain" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud834\\udd1e\"", "\xf0\x9d\x84\x9e" },
		{ "\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf" },
		{ "\"\\ud834\"", "\xef\xbf\xbd" },
		{ "\"\\udd1e\"", "\xef\xbf\xbd" },
		{ "\"\\ud834x\"", "\xef\xbf\xbdx" },
		{ "\"\\ud834\\n\"", "\xef\xbf\xbd\n" },
		{ "\"\\ud834\\ud834\\udd1e\"", "\xef\xbf\xbd\xf0\x9d\x84\x9e" },
		{ "\"\\u07ff\\u0800\\uffff\"", "\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf" },
	};
	char out[64];

	for (size_t i = 0; i < COUNT(texts); i++) {
		ck_assert_int_eq(json_text(parse(texts[i][0]), out, sizeof(out)),
				 (long)strlen(texts[i][1]));
		ck_assert_str_eq(out, texts[i][1]);
	}
	ck_assert_int_eq(json_text(parse("\"a\\u0000b\""), out, sizeof(out)), -EILSEQ);
	ck_assert_int_eq(json_text(parse("\"abc\""), out, 4), 3);
	ck_assert_int_eq(json_text(parse("\"abc\""), out, 3), -EMSGSIZE);
	ck_assert_int_eq(json_text(parse("\"\\u20ac\""), out, 3), -EMSGSIZE);
	ck_assert(json_is(parse("\"2.\\u0030\""), "2.0"));
	ck_assert(!json_is(parse("\"2.00\""), "2.0"));
	ck_assert(!json_is(parse("2.0"), "2.0"));
}
END_TEST

#define FFFD "\xef\xbf\xbd"

START_TEST(quoted_text_is_always_valid)
{
	static const char *const texts[][2] = {
		{ "", "\"\"" },
		{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
		{ "\n\t\r\x01\x1f\x7f", "\"\\n\\t\\u000d\\u0001\\u001f\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e", "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"" },
		{ "\xc2\x9b\xe2\x80\xae\xd8\x9c", "\"\\u009b\\u202e\\u061c\"" },
		{ "\xe2\x80\x8b\xf3\xa0\x81\x81\xf0\x9b\xb2\xa0", "\"\\u200b\\udb40\\udc41\\ud82f\\udca0\"" },
		{ "\xff", "\"" FFFD "\"" },
		{ "a\x80z", "\"a" FFFD "z\"" },
		{ "\xc0\xaf", "\"" FFFD FFFD "\"" },	       /* overlong '/' */
		{ "\xe0\x9f\xbf", "\"" FFFD FFFD FFFD "\"" }, /* overlong */
		{ "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
		{ "\xf5\x80\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
		{ "\xe2\x82", "\"" FFFD FFFD "\"" }, /* cut off */
		{ "\xe2\x82x", "\"" FFFD FFFD "x\"" },
		{ "\xf0\x8f\xbf\xbf", "\"" FFFD FFFD FFFD FFFD "\"" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < COUNT(texts); i++) {
		buf_clear(&b, 0);
		json_quote(&b, texts[i][0], strlen(texts[i][0]));
		ck_assert_uint_eq(b.len, strlen(texts[i][1]));
		ck_assert_mem_eq(b.data, texts[i][1], b.len);
	}
	buf_clear(&b, 0);
	json_quote(&b, "a\0b", 3);
	ck_assert_uint_eq(b.len, 10);
	ck_assert_mem_eq(b.data, "\"a\\u0000b\"", 10);
	buf_free(&b);
}
END_TEST

START_TEST(copied_value_is_the_same_on_one_line_without_what_a_terminal_obeys)
{
	static const char *const texts[][2] = {
		{ "{\"a\" :\r\n\t[1, \"b\\\"\"]}", "{\"a\" :   [1, \"b\\\"\"]}" },
		{ "[\"\xc2\x9d\x7f\", \"\xe2\x81\xa6x\xc3\xa9\"]", "[\"\\u009d\\u007f\", \"\\u2066x\xc3\xa9\"]" },
		{ "{\"\xe2\x80\xa8\":-1e5}", "{\"\\u2028\":-1e5}" },
		{ "[\"\xf3\xa0\x81\xbf\"]", "[\"\\udb40\\udc7f\"]" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < COUNT(texts); i++) {
		buf_clear(&b, 0);
		json_copy(&b, parse(texts[i][0]));
		ck_assert_uint_eq(b.len, strlen(texts[i][1]));
		ck_assert_mem_eq(b.data, texts[i][1], b.len);
	}
	buf_free(&b);
}
END_TEST

UNIT_SUITE(json, good_texts_are_accepted_without_their_blanks,
	   bad_texts_are_refused_with_reason_and_place, every_prefix_of_a_document_is_refused,
	   nul_is_no_part_of_a_document, nesting_is_good_to_64_levels,
	   kind_follows_from_the_first_byte, walk_visits_nested_values_whole,
	   walk_of_an_array_needs_no_keys, first_of_two_equal_members_counts, strings_are_unescaped,
	   quoted_text_is_always_valid, copied_value_is_the_same_on_one_line_without_what_a_terminal_obeys)
