/* SPDX-License-Identifier: BSD-2-Clause */
/* host_pins: obeys lines, and answers each with "done": "alloc N" takes N blocks of 4000 bytes and writes to them,
   "free" frees all of them, anything else ends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *blocks[100000];
static unsigned count;

static void allocate(unsigned n)
{
	for (; n && count < sizeof(blocks) / sizeof(blocks[0]); n--) {
		blocks[count] = malloc(4000);
		memset(blocks[count++], 1, 4000);
	}
}

static void free_all(void)
{
	while (count)
		free(blocks[--count]);
}

int main(void)
{
	char line[64];
	unsigned n;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "alloc %u", &n) == 1)
			allocate(n);
		else if (strcmp(line, "free\n") == 0)
			free_all();
		else
			return 3;
		puts("done");
		fflush(stdout);
	}
	return 2;
}
