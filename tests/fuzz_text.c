/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes the format for people. A reply is lines, the first of which begins with its code, and ends
   with an empty line, which is its only one. */
#include <ctype.h>

#include "tests/fuzz.h"

static void check_reply(const char *reply, size_t len)
{
	const char *empty;

	if (!len)
		return; /* to a line of blanks */
	MUST(len > 5);
	for (int i = 0; i < 3; i++)
		MUST(isdigit((unsigned char)reply[i]));
	MUST(reply[3] == ' ');
	MUST(!memchr(reply, '\0', len));
	empty = memmem(reply, len, "\n\n", 2);
	MUST(empty == reply + len - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_wire(&wire_text, check_reply, data, size);
	return 0;
}
