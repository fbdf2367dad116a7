/* SPDX-License-Identifier: BSD-2-Clause */
/* The thin layer between wires and handlers: arguments are collected, a mute reply says nothing. */
#include "control/rpc.h"

#include <string.h>

#include "control/wire.h"
#include "tests/unit.h"

START_TEST(arguments_beyond_the_array_are_only_counted)
{
	struct rpc_call call = { 0 };
	pid_t guard = call.pid = 77;

	for (unsigned i = 0; i < RPC_ARGS_MAX + 3; i++)
		rpc_add_arg(&call, i % 2 ? "name" : NULL, "text", RPC_NUMBER);
	ck_assert_uint_eq(call.count, RPC_ARGS_MAX + 3);
	ck_assert_int_eq(call.pid, guard);
	ck_assert_ptr_null(call.args[0].name);
	ck_assert_str_eq(call.args[RPC_ARGS_MAX - 1].name, "name");
	ck_assert_int_eq(call.args[RPC_ARGS_MAX - 1].kind, RPC_NUMBER);
}
END_TEST

static void say_everything(struct reply *r)
{
	reply_open(r, NULL, '{');
	reply_number(r, "n", 1);
	reply_text(r, "t", "x");
	reply_format(r, "f", "%d-%s", 5, "y");
	reply_close(r, '}');
}

START_TEST(mute_reply_writes_nothing)
{
	struct buf out = { 0 };
	struct reply mute = { .ops = wire_text.ops, .out = &out, .mute = true };
	struct reply loud = { .ops = wire_json.ops, .out = &out };

	say_everything(&mute);
	reply_fault(&mute, 400, "no");
	ck_assert_uint_eq(out.len, 0);
	say_everything(&loud);
	buf_char(&out, '\0');
	ck_assert_str_eq(out.data, "{\"jsonrpc\":\"2.0\",\"result\":{\"n\":1,\"t\":\"x\",\"f\":\"5-y\"}");
	buf_free(&out);
}
END_TEST

START_TEST(formatted_text_is_cut_not_overrun)
{
	char lengthy[2000];
	struct buf out = { 0 };
	struct reply r = { .ops = wire_text.ops, .out = &out };

	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	reply_format(&r, NULL, "%s", lengthy);
	ck_assert_uint_eq(out.len, strlen("200 OK\n") + 1023 + 1);
	buf_clear(&out, 0);
	reply_fault(&r, 400, "%s", lengthy);
	ck_assert_uint_eq(out.len, strlen("400 ") + 1023 + 1);
	buf_free(&out);
}
END_TEST

UNIT_SUITE(rpc, arguments_beyond_the_array_are_only_counted, mute_reply_writes_nothing,
	   formatted_text_is_cut_not_overrun)
