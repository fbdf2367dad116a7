/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes JSON-RPC. Each line of a reply is one JSON document: an object that says 2.0, or a batch's
   array of those. */
#include "tests/fuzz.h"

static void check_response(struct json v)
{
	struct json member;

	MUST(json_kind(v) == 'o');
	MUST(json_member(v, "jsonrpc", &member) && json_is(member, "2.0"));
	MUST(json_member(v, "method", &member) ||
	     (json_member(v, "id", &member) &&
	      json_member(v, "result", &member) != json_member(v, "error", &member)));
}

static void check_reply(const char *reply, size_t len)
{
	while (len) {
		size_t line = wire_line(reply, len, false);
		struct json_iter it = { 0 };
		struct json v, response;
		unsigned count = 0;

		MUST(line);
		MUST(!json_check(reply, line, &v));
		if (json_kind(v) != 'a') {
			check_response(v);
		} else {
			for (; json_next(v, &it, NULL, &response); count++)
				check_response(response);
			MUST(count);
		}
		reply += line;
		len -= line;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_wire(&wire_json, check_reply, data, size);
	return 0;
}
