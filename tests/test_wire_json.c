/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON-RPC 2.0: reading requests, and the exact bytes of every kind of reply. */
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
	in[len] = '#';
	call = (struct rpc_call){ 0 };
	buf_clear(&out, 0);
	reply = (struct reply){ .out = &out };
	return wire_json.take(in, len, eof, &call, &reply);
}

static void take_whole(const char *line)
{
	ck_assert_uint_eq(take(line, strlen(line), false), strlen(line));
}

static void check_out(const char *bytes)
{
	buf_char(&out, '\0');
	ck_assert_str_eq(out.data, bytes);
}

/* The call as METHOD|KINDword|KINDname=word. */
static const char *call_text(void)
{
	static const char kinds[] = { [RPC_NUMBER] = '#', [RPC_WORD] = '$', [RPC_DOUBLE] = '.',
				      [RPC_OTHER] = '?' };
	static char text[512];
	int n = snprintf(text, sizeof(text), "%s", call.method ? call.method : "");

	for (unsigned i = 0; i < call.count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "|%c%s%s%s",
			      kinds[call.args[i].kind], call.args[i].name ? call.args[i].name : "",
			      call.args[i].name ? "=" : "", call.args[i].text);
	return text;
}

#define HEAD "{\"jsonrpc\":\"2.0\",\"method\":"

START_TEST(params_are_positional_or_named_and_of_every_kind)
{
	static const char *const requests[][2] = {
		{ HEAD "\"m\",\"id\":1}\n", "m" },
		{ HEAD "\"m\",\"params\":[],\"id\":1}\n", "m" },
		{ HEAD "\"m\",\"params\":{},\"id\":1}\r\n", "m" },
		{ HEAD "\"m\",\"params\":[10,\"k\",-1,1.5,1e3,2E2,true,false,null,[1],{\"a\":2}],"
		       "\"id\":1}\n",
		  "m|#10|$k|#-1|.1.5|.1e3|.2E2|?true|?false|?null|?[1]|?{\"a\":2}" },
		{ HEAD "\"m\",\"params\":{\"size\":10,\"unit\":\"k\",\"\\u0061\":\"x\\ty\"},\"id\":1}\n",
		  "m|#size=10|$unit=k|$a=x\ty" },
		{ "{\"params\":[1,2],\"id\":7,\"method\":\"\\u006d\",\"jsonrpc\":\"2.0\"}\n", "m|#1|#2" },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"method\":\"b\",\"id\":1,\"extra\":[]}\n", "a" },
		{ " { \"jsonrpc\" : \"2.0\" , \"method\" : \"m\" , \"params\" : [ 1 ] , \"id\" : 1 } \n",
		  "m|#1" },
		{ HEAD "\"\",\"params\":[\"\"],\"id\":1}\n", "|$" },
	};

	for (size_t i = 0; i < COUNT(requests); i++) {
		take_whole(requests[i][0]);
		ck_assert_ptr_nonnull(call.method);
		ck_assert_str_eq(call_text(), requests[i][1]);
		check_out("");
	}
}
END_TEST

START_TEST(nothing_is_taken_until_the_line_is_complete)
{
	static const char line[] = HEAD "\"m\",\"params\":[\"a\"],\"id\":\"x\"}\n{\"next\"";
	size_t complete = strcspn(line, "\n") + 1;

	for (size_t len = 1; len < complete; len++) {
		ck_assert_uint_eq(take(line, len, false), 0);
		ck_assert_mem_eq(in, line, len);
		check_out("");
	}
	for (size_t len = complete; len < sizeof(line); len++) {
		ck_assert_uint_eq(take(line, len, false), complete);
		ck_assert_str_eq(call_text(), "m|$a");
		ck_assert_mem_eq(in + complete, line + complete, len - complete);
	}
	ck_assert_uint_eq(take(line, complete - 1, true), complete - 1); /* no newline at the end */
	ck_assert_str_eq(call_text(), "m|$a");
}
END_TEST

START_TEST(more_params_than_a_call_holds_are_still_too_many)
{
	char line[400] = HEAD "\"m\",\"id\":1,\"params\":[0";

	for (int i = 1; i < 40; i++)
		strcat(line, ",1");
	strcat(line, "]}\n");
	take_whole(line);
	ck_assert_uint_ge(call.count, RPC_ARGS_MAX);
	ck_assert_str_eq(call.args[RPC_ARGS_MAX - 1].text, "1");
}
END_TEST

START_TEST(id_of_every_kind_comes_back_as_it_was)
{
	static const char *const ids[] = { "1", "0", "-7", "1.50", "1e2", "null", "\"\"", "\"a b\"",
					   "\"\\u00e9\\\"\\\\\"", "123456789012345678901234567890" };

	for (size_t i = 0; i < COUNT(ids); i++) {
		char line[160], expected[160];

		snprintf(line, sizeof(line), HEAD "\"m\",\"params\":[\"x\"],\"id\":%s}\n", ids[i]);
		snprintf(expected, sizeof(expected), "{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":%s}\n",
			 ids[i]);
		take_whole(line);
		ck_assert(!reply.mute);
		reply_number(&reply, NULL, 5);
		reply.ops->end(&reply);
		check_out(expected);
	}
}
END_TEST

START_TEST(notification_gets_no_answer)
{
	take_whole(HEAD "\"m\",\"params\":[1]}\n");
	ck_assert_str_eq(call_text(), "m|#1");
	ck_assert(reply.mute);
	reply_number(&reply, NULL, 5);
	reply_fault(&reply, 400, "no");
	check_out("");
}
END_TEST

#define ERROR(code, text) \
	"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":" code ",\"message\":\"" text \
	"\",\"data\":{\"code\":400}}"

START_TEST(bad_documents_are_answered)
{
	static const char *const bad[][2] = {
		{ "{\"a\" 1}\n", ERROR("-32700", "expected ':': '1}\\n'") ",\"id\":null}\n" },
		{ "[{\n", ERROR("-32700", "expected a quoted name: ''") ",\"id\":null}\n" },
		{ "{} {}\n", ERROR("-32700", "more after the value: '{}\\n'") ",\"id\":null}\n" },
		{ "{\"x\":abcdefghijklmnopqrstuvwxyz}\n",
		  ERROR("-32700", "unexpected character: 'abcdefghijklmnopqrst'") ",\"id\":null}\n" },
		{ "[]\n", ERROR("-32600", "invalid request, an empty batch: '[]'") ",\"id\":null}\n" },
		{ "{}\n",
		  ERROR("-32600", "invalid request, jsonrpc is not \\\"2.0\\\": '{}'") ",\"id\":null}\n" },
		{ "{\"id\":3}\n", ERROR("-32600", "invalid request, jsonrpc is not \\\"2.0\\\": "
						  "'{\\\"id\\\":3}'") ",\"id\":3}\n" },
		{ "{\"jsonrpc\":2.0,\"method\":\"m\",\"id\":3}\n",
		  ERROR("-32600", "invalid request, jsonrpc is not \\\"2.0\\\": "
				  "'{\\\"jsonrpc\\\":2.0,\\\"meth'") ",\"id\":3}\n" },
		{ HEAD "5,\"id\":3}\n", ERROR("-32600", "invalid request, method is no string: "
							"'{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"me'")
			    ",\"id\":3}\n" },
		{ HEAD "\"m\",\"id\":[1]}\n",
		  ERROR("-32600", "invalid request, id is no string or number: '[1]'")
			    ",\"id\":null}\n" },
		{ HEAD "\"m\",\"id\":true}\n",
		  ERROR("-32600", "invalid request, id is no string or number: 'true'")
			    ",\"id\":null}\n" },
		{ HEAD "\"m\",\"params\":5,\"id\":3}\n",
		  ERROR("-32600", "invalid request, params is neither array nor object: '5'")
			    ",\"id\":3}\n" },
		{ HEAD "\"a\\u0000b\",\"id\":3}\n",
		  ERROR("-32600", "invalid request, a NUL in a string: '\\\"a\\\\u0000b\\\"'")
			    ",\"id\":3}\n" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		take_whole(bad[i][0]);
		ck_assert_ptr_null(call.method);
		check_out(bad[i][1]);
	}
}
END_TEST

START_TEST(nul_in_a_parameter_or_its_name_is_refused)
{
	static const char *const params[] = { "[\"\\u0000\"]", "{\"a\\u0000\":1}" };

	for (size_t i = 0; i < COUNT(params); i++) {
		char line[120];

		snprintf(line, sizeof(line), HEAD "\"m\",\"params\":%s,\"id\":3}\n", params[i]);
		take_whole(line);
		ck_assert_ptr_null(call.method);
		check_out(ERROR("-32600", "invalid request, a NUL in a string: '\\\"m\\\"'")
			  ",\"id\":3}\n");
	}
}
END_TEST

static void begin_reply(void)
{
	take_whole(HEAD "\"m\",\"id\":1}\n");
}

static void end_with(const char *value)
{
	char expected[400];

	reply.ops->end(&reply);
	snprintf(expected, sizeof(expected), "{\"jsonrpc\":\"2.0\",%s,\"id\":1}\n", value);
	check_out(expected);
}

START_TEST(replies_of_every_kind)
{
	begin_reply();
	end_with("\"result\":null");
	begin_reply();
	reply_number(&reply, NULL, UINT64_MAX);
	end_with("\"result\":18446744073709551615");
	begin_reply();
	reply_text(&reply, NULL, "a\"\n\xff");
	end_with("\"result\":\"a\\\"\\n\xef\xbf\xbd\"");
	begin_reply();
	reply_open(&reply, NULL, '[');
	reply_close(&reply, ']');
	end_with("\"result\":[]");
	begin_reply();
	reply_open(&reply, NULL, '[');
	for (unsigned i = 1; i <= 2; i++) {
		reply_open(&reply, NULL, '{');
		reply_number(&reply, "run_time_s", i);
		reply_open(&reply, "list", '[');
		reply_text(&reply, NULL, "x");
		reply_number(&reply, NULL, 7);
		reply_close(&reply, ']');
		reply_open(&reply, "none", '{');
		reply_close(&reply, '}');
		reply_close(&reply, '}');
	}
	reply_close(&reply, ']');
	end_with("\"result\":[{\"run_time_s\":1,\"list\":[\"x\",7],\"none\":{}},"
		 "{\"run_time_s\":2,\"list\":[\"x\",7],\"none\":{}}]");
}
END_TEST

START_TEST(faults_say_whose_mistake_it_was)
{
	static const struct {
		enum rpc_refusal refusal;
		const char *code;
	} faults[] = { { RPC_REFUSED, "-32000" }, { RPC_NO_METHOD, "-32601" }, { RPC_BAD_ARGS, "-32602" } };

	for (size_t i = 0; i < COUNT(faults); i++) {
		char expected[160];

		begin_reply();
		reply.refusal = faults[i].refusal;
		reply_fault(&reply, 500, "no \"%s\"", "x");
		snprintf(expected, sizeof(expected),
			 "\"error\":{\"code\":%s,\"message\":\"no \\\"x\\\"\",\"data\":{\"code\":500}}",
			 faults[i].code);
		end_with(expected);
	}
}
END_TEST

UNIT_SUITE(wire_json, params_are_positional_or_named_and_of_every_kind,
	   nothing_is_taken_until_the_line_is_complete,
	   more_params_than_a_call_holds_are_still_too_many, id_of_every_kind_comes_back_as_it_was,
	   notification_gets_no_answer, bad_documents_are_answered,
	   nul_in_a_parameter_or_its_name_is_refused, replies_of_every_kind,
	   faults_say_whose_mistake_it_was)
