/* SPDX-License-Identifier: BSD-2-Clause */
/* For each line it is told it prints how many bytes the C library's heaps have in use, all arenas together. */
#include <malloc.h>
#include <stdio.h>
#include <sys/prctl.h>

int main(void)
{
	/* Or a page that is stored to would bring its 511 neighbours along. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0)
		return 2;
	for (int c; (c = getchar()) != EOF;) {
		struct mallinfo2 in;

		if (c != '\n')
			continue;
		in = mallinfo2();
		printf("%zu\n", in.uordblks + in.hblkhd);
		fflush(stdout);
	}
	return 0;
}
