/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints everything about itself that a preloaded library could have changed, before and after a line
   comes on standard input. With and without the library the output has to be the same. */
#include <stdio.h>

#include "tests/state.h"

int main(void)
{
	print_state();
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 2;
	print_state();
	return 7;
}
