/* SPDX-License-Identifier: BSD-2-Clause */
/* Percentages are of the tightest control group's limit, else of the machine's memory. */
#include "size.h"

#include <errno.h>
#include <string.h>

#include "inject/system.h"

bool size_is_percent(const char *text)
{
	size_t length = strlen(text);

	return length && text[length - 1] == '%';
}

/* Rounded down to whole bytes. The two products stay below 2^64. */
static uint64_t part_of(uint64_t total, uint64_t millionths)
{
	const uint64_t whole = 100 * UNITS_PERCENT;

	return total / whole * millionths + total % whole * millionths / whole;
}

int size_parse(const char *text, int shift, uint64_t *bytes)
{
	struct headroom memory;
	uint64_t millionths;
	int rc;

	if (!size_is_percent(text))
		return units_parse_size(text, shift, bytes);
	rc = units_parse_percent(text, &millionths);
	if (rc)
		return rc;
	if (system_memory(&memory) < 0 || !memory.total_bytes)
		return -ENODATA;
	*bytes = part_of(memory.total_bytes, millionths);
	return 0;
}
