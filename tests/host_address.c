/* SPDX-License-Identifier: BSD-2-Clause */
/* A position dependent program that takes malloc's address: the address that everybody then finds is
   a stub in the executable, though the executable has no allocator. Allocates through it. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	void *(*volatile allocate)(size_t) = malloc;
	void (*volatile release)(void *) = free;

	release(allocate(100));
	printf("ready\n");
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}
