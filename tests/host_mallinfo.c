/* SPDX-License-Identifier: BSD-2-Clause */
/* For each line it is told it prints how many bytes the C library's heaps have in use, all arenas together. Between
   lines it waits or, given an argument, allocates and frees without a pause, as where=host wants it. */
#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool is_told(void)
{
	return poll(&(struct pollfd){ .fd = 0, .events = POLLIN }, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	/* Or a page that is stored to would bring its 511 neighbours along. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
		return 2;
	for (char c;;) {
		struct mallinfo2 in;

		while (argc > 1 && !is_told())
			free(malloc(1));
		if (read(0, &c, 1) != 1)
			return 0;
		if (c != '\n')
			continue;
		in = mallinfo2();
		printf("%zu\n", in.uordblks + in.hblkhd);
		fflush(stdout);
	}
}
