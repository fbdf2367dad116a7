/* SPDX-License-Identifier: BSD-2-Clause */
/* From a call to its handler: matching arguments with signatures, and every way of refusing. */
#include "control/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"
#include "inject/budget.h"
#include "tests/recorder.h"
#include "tests/unit.h"

START_TEST(refusals_begin_like_the_originals)
{
	static const char *const refused[][2] = {
		{ "mt.mem_alloc", "400 error at parameter 0: expected integer type but end of packet "
				  "encountered: size is missing (usage: mt.mem_alloc size [unit])" },
		{ "mt.mem_alloc abc",
		  "400 error at parameter 0: expected integer type but record doesn't match type: "
		  "size 'abc' is not of that form (accepted: a whole number of bytes, or with a unit "
		  "as in 10k, 1.5g, 64KiB, 1Gi, or a share of the memory above 0% and up to 100%)" },
		{ "mt.mem_alloc -1",
		  "400 error at parameter 0: expected integer type but record doesn't match type: "
		  "size '-1' is negative (" },
		{ "mt.mem_alloc 18446744073709551616",
		  "400 error at parameter 0: expected integer type but record doesn't match type: "
		  "size '18446744073709551616' is larger than 64 bits hold (" },
		{ "mt.mem_alloc 16777216 t", "400 error at parameter 0: expected integer type but " },
		{ "mt.mem_alloc 10 x",
		  "500 bad param use b|k|m|g: 'x' is no unit (accepted: b|k|m|g|t)" },
		{ "mt.mem_alloc 10 k 5",
		  "400 too many arguments: '5' (usage: mt.mem_alloc size [unit])" },
		{ "mt.mem_alloc 10 size=5", "500 bad param use b|k|m|g: '10' is no unit" },
		{ "mt.mem_alloc size=5 size=6",
		  "400 argument given twice: 'size' (usage: mt.mem_alloc size [unit])" },
		{ "mt.mem_alloc bytes=5",
		  "400 unknown argument: 'bytes' (usage: mt.mem_alloc size [unit])" },
		{ "mt.mem_free k", "400 error at parameter 0: expected integer type but record " },
		{ "mt.mem_free abc", "400 error at parameter 0: expected integer type but record " },
		{ "mt.mem_used 5", "500 bad param use b|k|m|g" },
		{ "mt.mem_rnd_alloc 1 2", "400 error at parameter 2: expected integer type but end of "
					  "packet encountered: total is missing" },
		{ "mt.mem_rnd_alloc 1 2 3x", "400 error at parameter 2: expected integer type but record "
					     "doesn't match type: total '3x'" },
		{ "mt.mem_test_start 1 1 10 250 250 5d",
		  "400 error at parameter 5: expected integer type but record doesn't match type: "
		  "total_time '5d' is not of that form (accepted: whole milliseconds, or with a unit "
		  "as in 250ms, 1.5s, 10m, 2h)" },
		{ "mt.mem_test_start 1 1 10 250 250 5000 k 9", "400 too many arguments: '9'" },
		{ "mt.mem_test_stop", "400 error at parameter 0: expected integer type but end of " },
		{ "mt.mem_test_stop 1k", "400 error at parameter 0: expected integer type but record "
					 "doesn't match type: id '1k' is not of that form (accepted: a "
					 "whole number)" },
		{ "mt.mem_test_list x", "400 error at parameter 0: expected integer type but record " },
		{ "mt.status 1", "400 too many arguments: '1' (usage: mt.status)" },
		{ "cfg.get malloc_test", "400 error at parameter 1: expected string type but end of "
					 "packet encountered: name is missing" },
	};

	for (size_t i = 0; i < COUNT(refused); i++) {
		recorder_expect_beginning(refused[i][0], refused[i][1]);
		ck_assert_int_eq(recorder_refusal(), RPC_BAD_ARGS);
		ck_assert_uint_eq(budget_used(), 0);
	}
}
END_TEST

START_TEST(unknown_command_names_the_nearest)
{
	recorder_expect("mt.mem_aloc 10", "500 command mt.mem_aloc not found, did you mean "
					  "mt.mem_alloc?");
	ck_assert_int_eq(recorder_refusal(), RPC_NO_METHOD);
	recorder_expect("system.listmethods",
			"500 command system.listmethods not found, did you mean system.listMethods?");
	recorder_expect("frobnicate", "500 command frobnicate not found (mt.help lists them)");
}
END_TEST

START_TEST(very_long_words_are_cut_in_refusals)
{
	char line[600] = "";
	struct rpc_call call = { .method = line };

	memset(line, 'm', sizeof(line) - 1);
	ck_assert_uint_lt(strlen(recorder_run(&call)), 160);
	call.method = "mt.mem_alloc";
	rpc_add_arg(&call, NULL, line, RPC_WORD);
	ck_assert_uint_lt(strlen(recorder_run(&call)), 400);
}
END_TEST

/* Each of these allocates 10 KiB. */
START_TEST(arguments_may_be_named_or_positional_or_mixed)
{
	static const char *const lines[] = {
		"mt.mem_alloc 10240",	      "mt.mem_alloc 10 k",
		"mt.mem_alloc 10k",	      "mt.mem_alloc 10K",
		"mt.mem_alloc 10kib b",	      "mt.mem_alloc 10k m",
		"mt.mem_alloc size=10 unit=k", "mt.mem_alloc unit=k size=10",
		"mt.mem_alloc unit=k 10",      "mt.mem_alloc 10 unit=kilobytes",
		"mt.mem_alloc size=10k",       "mt.mem_alloc k size=10",
	};

	for (size_t i = 0; i < COUNT(lines); i++) {
		recorder_expect(lines[i], "");
		recorder_expect("mt.mem_free", "10240");
	}
}
END_TEST

START_TEST(unit_applies_to_all_sizes_but_those_with_their_own)
{
	recorder_expect_beginning("mt.mem_test_start 1 2b 3 10 20 1.5h k", "");
	recorder_call("mt.mem_test_list");
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.mem_test_start 4 2b 3 10 20 1h k"),
				     "min 4096, max 2, total 3072 bytes"));
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.mem_test_start total=1 min=3 max=2k 10 20 1h m"),
				     "min 3145728, max 2048, total 1048576 bytes"));
	ck_assert_ptr_nonnull(strstr(recorder_call("mt.mem_test_start 1 1 1 5 3s 2s k"),
				     "min_int 5, max_int 3000, total_time 2000 ms"));
}
END_TEST

START_TEST(kinds_of_the_wire_are_respected)
{
	static const struct {
		const char *method, *text;
		enum rpc_kind kind;
		const char *reply;
	} cases[] = {
		{ "mt.mem_alloc", "10", RPC_NUMBER, "" },
		{ "mt.mem_alloc", "10", RPC_WORD, "" },
		{ "mt.mem_alloc", "16.0", RPC_DOUBLE, "400 error at parameter 0: expected integer" },
		{ "mt.mem_alloc", "1.5k", RPC_DOUBLE, "400 error at parameter 0: expected integer" },
		{ "mt.mem_alloc", "{}", RPC_OTHER, "400 error at parameter 0: expected integer" },
		{ "mt.mem_used", "1", RPC_NUMBER, "500 bad param use b|k|m|g" },
		{ "mt.mem_used", "k", RPC_OTHER, "500 bad param use b|k|m|g" },
		{ "mt.help", "null", RPC_OTHER,
		  "400 error at parameter 0: expected string type but record doesn't match type: "
		  "command 'null' is no string (accepted: a word)" },
		{ "mt.help", "5", RPC_NUMBER, "500 command 5 not found" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rpc_call call = { .method = cases[i].method };
		const char *said;

		rpc_add_arg(&call, NULL, cases[i].text, cases[i].kind);
		said = recorder_run(&call);
		ck_assert_msg(strncmp(said, cases[i].reply, strlen(cases[i].reply)) == 0, "%s", said);
	}
}
END_TEST

/* As BINRPC has it: a string may be NAME=VALUE, or a text with such a beginning. */
START_TEST(loose_word_is_named_where_the_command_has_that_name)
{
	static const struct {
		const char *method, *words[3], *reply;
	} cases[] = {
		{ "mt.mem_alloc", { "unit=k", "size=10" }, "" },
		{ "mt.mem_alloc", { "unit=k", "10" }, "" },
		{ "mt.mem_alloc", { "size=10", "k" }, "" },
		{ "mt.mem_alloc", { "size=10", "size=11" }, "400 argument given twice: 'size' (usage: " },
		{ "mt.mem_alloc", { "bytes=10" }, "400 error at parameter 0: expected integer type but record doesn't "
						  "match type: size 'bytes=10' is not of that form" },
		{ "mt.mem_alloc", { "Size=10" }, "400 error at parameter 0: " },
		{ "mt.mem_alloc", { "=10" }, "400 error at parameter 0: " },
		{ "mt.mem_alloc", { "siz=10" }, "400 error at parameter 0: " },
		{ "mt.mem_alloc", { "sizes=10" }, "400 error at parameter 0: " },
		{ "mt.mem_alloc", { "size=" }, "400 error at parameter 0: expected integer type but record doesn't "
					       "match type: size '' is not of that form" },
		{ "mt.help", { "size=10" }, "500 command size=10 not found" },
		{ "mt.help", { "command=mt.mem_free" }, "'mt.mem_free [size] [unit]" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rpc_call call = { .method = cases[i].method };
		const char *said;

		for (size_t n = 0; n < COUNT(cases[i].words) && cases[i].words[n]; n++)
			rpc_add_arg(&call, NULL, cases[i].words[n], RPC_LOOSE);
		said = recorder_run(&call);
		ck_assert_msg(strncmp(said, cases[i].reply, strlen(cases[i].reply)) == 0, "%s: %s",
			      cases[i].words[0], said);
		ck_assert_msg(*said || !*cases[i].reply, "%s: nothing said", cases[i].words[0]);
	}
	recorder_expect("mt.mem_used", "30720");
}
END_TEST

START_TEST(more_arguments_than_a_call_holds_are_too_many)
{
	struct rpc_call call = { .method = "mt.mem_used" };
	char text[] = "k";

	for (unsigned i = 0; i < RPC_ARGS_MAX + 5; i++)
		rpc_add_arg(&call, NULL, text, RPC_WORD);
	ck_assert_uint_eq(call.count, RPC_ARGS_MAX + 5);
	ck_assert_str_eq(recorder_run(&call),
			 "400 too many arguments: 'k' (usage: mt.mem_used [unit])");
}
END_TEST

START_TEST(every_row_of_the_table_has_usage_and_help)
{
	char usage[COMMAND_USAGE_MAX];

	for (unsigned i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		const char *example = strstr(c->help, "Example: "), *at = c->signature;
		struct command_param p;

		while (command_next_param(&at, &p))
			ck_assert_msg(strchr(p.type, '|') || strstr(" size unit ms number text ", p.type),
				      "%s: %s", c->method, p.type);
		ck_assert_ptr_eq(command_find(c->method), c);
		ck_assert_uint_lt(strlen(command_usage(c, usage)), COMMAND_USAGE_MAX - 1);
		ck_assert_int_eq(strncmp(usage, c->method, strlen(c->method)), 0);
		ck_assert_uint_gt(strlen(c->help), 10);
		if (example)
			ck_assert_int_eq(strncmp(example + 9, c->method, strlen(c->method)), 0);
	}
	ck_assert_str_eq(command_usage(command_find("mt.mem_free"), usage),
			 "mt.mem_free [size] [unit]");
	ck_assert_str_eq(command_usage(command_find("mt.reset"), usage), "mt.reset");
	ck_assert_ptr_null(command_find("mt.mem"));
}
END_TEST

START_TEST(changes_are_logged_with_their_caller_and_questions_are_not)
{
	char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], text[2048], why[LOG_WHY_MAX];
	FILE *f;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/log", directory);
	ck_assert_int_eq(log_open(path, why), 0);
	recorder_call("mt.mem_used");
	recorder_call("mt.mem_alloc abc");
	recorder_call("mt.mem_free 10 k");
	ck_assert_int_eq(log_open("", why), 0);
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, " mt.mem_free 10 k by pid 4711 uid 0\n"));
	ck_assert_ptr_eq(strchr(text, '\n') + 1, text + strlen(text)); /* the only line */
	unit_remove(directory);
}
END_TEST

/* The log as it was written by these calls. */
static const char *log_of(void (*make_calls)(void))
{
	static char text[8192];
	char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], why[LOG_WHY_MAX];
	FILE *f;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/log", directory);
	ck_assert_int_eq(log_open(path, why), 0);
	make_calls();
	ck_assert_int_eq(log_open("", why), 0);
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	unit_remove(directory);
	return text;
}

static void call_with(const char *word)
{
	struct rpc_call call = { .method = "cfg.set_now_string", .pid = 4711, .uid = 0 };

	rpc_add_arg(&call, NULL, "malloc_test", RPC_WORD);
	rpc_add_arg(&call, NULL, "fork", RPC_WORD);
	rpc_add_arg(&call, NULL, word, RPC_WORD);
	recorder_run(&call);
}

static void call_with_foreign_words(void)
{
	call_with("a\nmt.reset by pid 1 uid 0");
	call_with("follow by pid 1 uid 0");
	call_with("\"\\\x1b[2J\xc2\x85\xe2\x80\xae\xff\xc3\xa9");
	call_with("");
}

START_TEST(words_of_a_client_stay_in_their_line_and_in_quotes)
{
	const char *text = log_of(call_with_foreign_words);
	unsigned lines = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_eq(lines, 4);
	ck_assert_ptr_nonnull(strstr(text, " fork \"a\\x0amt.reset by pid 1 uid 0\" by pid 4711 uid 0\n"));
	ck_assert_ptr_nonnull(strstr(text, " fork \"follow by pid 1 uid 0\" by pid 4711 uid 0\n"));
	ck_assert_ptr_nonnull(strstr(text, " fork \"\\\"\\\\\\x1b[2J\\xc2\\x85\\xe2\\x80\\xae\\xff\xc3\xa9\" by pid"));
	ck_assert_ptr_nonnull(strstr(text, " fork \"\" by pid 4711 uid 0\n"));
}
END_TEST

static void call_at_length(void)
{
	struct rpc_call call = { .method = "cfg.set_now_string", .pid = 4711, .uid = 0 };
	char word[500];

	memset(word, 1, sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	for (int i = 0; i < 3; i++)
		rpc_add_arg(&call, NULL, word, RPC_WORD);
	recorder_run(&call);
}

START_TEST(caller_stands_at_the_end_of_the_longest_line)
{
	ck_assert_ptr_nonnull(strstr(log_of(call_at_length), "... by pid 4711 uid 0\n"));
}
END_TEST

UNIT_SUITE(command, refusals_begin_like_the_originals, unknown_command_names_the_nearest,
	   very_long_words_are_cut_in_refusals, arguments_may_be_named_or_positional_or_mixed,
	   unit_applies_to_all_sizes_but_those_with_their_own, kinds_of_the_wire_are_respected, loose_word_is_named_where_the_command_has_that_name,
	   more_arguments_than_a_call_holds_are_too_many, every_row_of_the_table_has_usage_and_help,
	   changes_are_logged_with_their_caller_and_questions_are_not, words_of_a_client_stay_in_their_line_and_in_quotes,
	   caller_stands_at_the_end_of_the_longest_line)
