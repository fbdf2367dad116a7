/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes BINRPC. A reply is one packet, as long as its header says, and its records are whole. */
#include "tests/fuzz.h"

/* Reads the record at `at`; returns where the next one is. */
static const unsigned char *check_record(const unsigned char *at, const unsigned char *end, int *depth)
{
	unsigned size = *at >> 4, type = *at & 15;
	size_t length = size & 7;

	at++;
	if (type == 3) { /* struct: opens with 0, closes with 8 */
		MUST(size == 0 || size == 8);
		*depth += size ? -1 : 1;
		MUST(*depth >= 0);
		return at;
	}
	MUST(type == 0 || type == 1 || type == 5);
	if (size & 8) {
		MUST(length >= 1 && length <= 4 && (size_t)(end - at) >= length);
		for (length = 0, size &= 7; size; size--)
			length = length << 8 | *at++;
	}
	MUST((size_t)(end - at) >= length);
	if (type == 0)
		MUST(length <= 4);
	else
		MUST(length && memchr(at, 0, length) == at + length - 1);
	return at + length;
}

static void check_reply(const char *reply, size_t len)
{
	const unsigned char *at = (const unsigned char *)reply, *end = at + len;
	size_t width, cookie, body = 0;
	int depth = 0;

	MUST(len >= 4 && at[0] == 0xA1);
	MUST(at[1] >> 4 == 1 || at[1] >> 4 == 3);
	width = (at[1] >> 2 & 3) + 1u;
	cookie = (at[1] & 3) + 1u;
	MUST(len >= 2 + width + cookie);
	for (size_t i = 0; i < width; i++)
		body = body << 8 | at[2 + i];
	MUST(2 + width + cookie + body == len);
	MUST(len <= 131072);
	at += 2 + width + cookie;
	while (at < end)
		at = check_record(at, end, &depth);
	MUST(depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_wire(&wire_binrpc, check_reply, data, size);
	return 0;
}
