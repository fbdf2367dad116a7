/* SPDX-License-Identifier: BSD-2-Clause */
/* The format for people: cutting a line into words, and the exact bytes of every kind of reply. */
#include <stdio.h>
#include <string.h>

#include "control/wire.h"
#include "tests/unit.h"

static char in[4096];
static struct rpc_call call;
static struct buf out;
static struct reply reply;

static size_t take(const char *bytes, size_t len, bool eof)
{
	memcpy(in, bytes, len);
	in[len] = '#'; /* what lies behind belongs to nobody */
	call = (struct rpc_call){ 0 };
	buf_clear(&out, 0);
	reply = (struct reply){ .out = &out };
	return wire_text.take(in, len, eof, &call, &reply);
}

static void check_out(const char *bytes)
{
	buf_char(&out, '\0');
	ck_assert_str_eq(out.data, bytes);
	buf_clear(&out, 0);
	reply = (struct reply){ .ops = wire_text.ops, .out = &out };
}

/* The call as METHOD|word|name=word. */
static const char *call_text(void)
{
	static char text[512];
	int n = snprintf(text, sizeof(text), "%s", call.method ? call.method : "");

	for (unsigned i = 0; i < call.count; i++) {
		ck_assert_int_eq(call.args[i].kind, RPC_WORD);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "|%s%s%s",
			      call.args[i].name ? call.args[i].name : "",
			      call.args[i].name ? "=" : "", call.args[i].text);
	}
	return text;
}

static const char *const lines[][2] = {
	{ "mt.mem_used\n", "mt.mem_used" },
	{ "mt.mem_used\r\n", "mt.mem_used" },
	{ "  \tmt.mem_alloc \t 10  k \n", "mt.mem_alloc|10|k" },
	{ "mt.mem_alloc size=10 unit=k\n", "mt.mem_alloc|size=10|unit=k" },
	{ "x a=b=c A=1 =5 1a=2 a_b= a-b=c\n", "x|a=b=c|A=1|=5|1a=2|a_b=|a-b=c" },
	{ "x \"two words\" \"a=b\" \"\"\n", "x|two words|a=b|" },
	{ "x \"open end\n", "x|\"open|end" },
	{ "x mid\"quo te\"\n", "x|mid\"quo|te\"" },
	{ "x \"a\"b\n", "x|a|b" },
	{ "\n", "" },
	{ "\r\n", "" },
	{ "   \n", "" },
};

START_TEST(line_is_cut_into_words)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		size_t len = strlen(lines[i][0]);

		ck_assert_uint_eq(take(lines[i][0], len, false), len);
		ck_assert_str_eq(call_text(), lines[i][1]);
		ck_assert_int_eq(call.method == NULL, !*lines[i][1]);
		ck_assert_int_eq(in[len], '#');
		check_out("");
	}
}
END_TEST

/* Quoted, a word is never taken for name=value. */
START_TEST(quotes_keep_a_word_positional)
{
	static const char line[] = "x \"a=b\" a=b\n";

	take(line, sizeof(line) - 1, false);
	ck_assert_ptr_null(call.args[0].name);
	ck_assert_str_eq(call.args[0].text, "a=b");
	ck_assert_str_eq(call.args[1].name, "a");
	ck_assert_str_eq(call.args[1].text, "b");
}
END_TEST

START_TEST(nothing_is_taken_until_the_line_is_complete)
{
	static const char line[] = "mt.mem_alloc \"10\" unit=k\r\nmt.next\n";
	size_t complete = strcspn(line, "\n") + 1;

	for (size_t len = 1; len < complete; len++) {
		ck_assert_uint_eq(take(line, len, false), 0);
		ck_assert_mem_eq(in, line, len);
		check_out("");
	}
	for (size_t len = complete; len < sizeof(line); len++) {
		ck_assert_uint_eq(take(line, len, false), complete);
		ck_assert_str_eq(call_text(), "mt.mem_alloc|10|unit=k");
		ck_assert_mem_eq(in + complete, line + complete, len - complete);
	}
}
END_TEST

START_TEST(end_of_input_ends_the_line)
{
	ck_assert_uint_eq(take("mt.mem_free 5 k", 15, true), 15);
	ck_assert_str_eq(call_text(), "mt.mem_free|5|k");
	ck_assert_uint_eq(take("a\nb", 3, true), 2);
	ck_assert_str_eq(call_text(), "a");
}
END_TEST

START_TEST(nul_in_a_line_is_refused)
{
	ck_assert_uint_eq(take("mt.mem\0_free\n", 13, false), 13);
	ck_assert_ptr_null(call.method);
	check_out("400 a NUL byte in the request\n\n");
	ck_assert_uint_eq(take("\0\n", 2, false), 2);
	ck_assert_ptr_null(call.method);
}
END_TEST

START_TEST(many_words_are_counted_not_overrun)
{
	char line[200] = "x";

	for (int i = 0; i < 50; i++)
		strcat(line, " a");
	strcat(line, "\n");
	take(line, strlen(line), false);
	ck_assert_uint_eq(call.count, 50);
	ck_assert_str_eq(call.args[RPC_ARGS_MAX - 1].text, "a");
}
END_TEST

START_TEST(plain_success_number_and_strings)
{
	check_out(""); /* gives a fresh reply */
	wire_text.ops->end(&reply);
	check_out("200 OK\n\n");
	reply_number(&reply, NULL, UINT64_MAX);
	wire_text.ops->end(&reply);
	check_out("200 OK\n18446744073709551615\n\n");
	reply_text(&reply, NULL, "one\rline");
	wire_text.ops->end(&reply);
	check_out("200 OK\none?line\n\n");
	reply_text(&reply, NULL, "usage\n\ntwo lines");
	wire_text.ops->end(&reply);
	check_out("200 OK\nusage\ntwo lines\n\n");
	reply_fault(&reply, 400, "no %s", "such\nthing");
	wire_text.ops->end(&reply);
	check_out("400 no such?thing\n\n");
}
END_TEST

START_TEST(struct_and_arrays_are_laid_out_as_kamcmd_does)
{
	check_out("");
	reply_open(&reply, NULL, '[');
	for (unsigned i = 0; i < 2; i++) {
		reply_open(&reply, NULL, '{');
		reply_number(&reply, "id", 2 - i);
		reply_number(&reply, "remaining_s", 0);
		reply_close(&reply, '}');
	}
	reply_close(&reply, ']');
	wire_text.ops->end(&reply);
	check_out("200 OK\n{\n\tID           : 2\n\tremaining (s): 0\n}\n"
		  "{\n\tID           : 1\n\tremaining (s): 0\n}\n\n");
	reply_open(&reply, NULL, '{');
	reply_text(&reply, "log", "a\nb");
	reply_open(&reply, "settings", '{');
	reply_number(&reply, "touch", 1);
	reply_close(&reply, '}');
	reply_open(&reply, "environment", '[');
	reply_text(&reply, NULL, "x");
	reply_close(&reply, ']');
	reply_close(&reply, '}');
	wire_text.ops->end(&reply);
	check_out("200 OK\n{\n\tlog          : a?b\n\tsettings     : {\n\t\ttouch        : 1\n\t}\n"
		  "\tenvironment  : [\n\t\tx\n\t]\n}\n\n");
}
END_TEST

START_TEST(list_of_nothing_is_a_plain_success)
{
	check_out("");
	reply_open(&reply, NULL, '[');
	reply_close(&reply, ']');
	wire_text.ops->end(&reply);
	check_out("200 OK\n\n");
}
END_TEST

/* The empty line ends a reply, so no value may be one: a client would be a line behind from then on. */
START_TEST(no_value_looks_like_the_end_of_the_reply)
{
	static const char *const values[] = { "", "\n", "a\n", "\n\nb" };

	for (size_t i = 0; i < COUNT(values); i++) {
		reply = (struct reply){ .ops = wire_text.ops, .out = &out };
		buf_clear(&out, 0);
		reply_text(&reply, NULL, values[i]);
		wire_text.ops->end(&reply);
		buf_char(&out, '\0');
		ck_assert_str_eq(strstr(out.data, "\n\n"), "\n\n");
	}
}
END_TEST

START_TEST(first_byte_chooses_the_format)
{
	ck_assert_ptr_eq(wire_for('{'), &wire_json);
	ck_assert_ptr_eq(wire_for('['), &wire_json);
	ck_assert_ptr_eq(wire_for('\xa1'), &wire_binrpc);
	ck_assert_ptr_eq(wire_for('m'), &wire_text);
	ck_assert_ptr_eq(wire_for('Z'), &wire_text);
	ck_assert_ptr_eq(wire_for('"'), &wire_text);
}
END_TEST

UNIT_SUITE(wire_text, line_is_cut_into_words, quotes_keep_a_word_positional,
	   nothing_is_taken_until_the_line_is_complete, end_of_input_ends_the_line,
	   nul_in_a_line_is_refused, many_words_are_counted_not_overrun,
	   plain_success_number_and_strings, struct_and_arrays_are_laid_out_as_kamcmd_does,
	   list_of_nothing_is_a_plain_success, no_value_looks_like_the_end_of_the_reply,
	   first_byte_chooses_the_format)
