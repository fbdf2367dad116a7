/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that leaks into itself by the C API, where the library is there:

       cc -o self_leak self_leak.c && mtctl run -- ./self_leak

   Without `mtctl run` it does its work all the same. */
#include <stdio.h>

#include "mtpreload.h"

static void handle_request(int number)
{
	/* The drill: every request leaks a mebibyte. */
	if (mt_is_here() && mt_mem_alloc(1048576) < 0)
		perror("mt_mem_alloc");
	printf("request %d served\n", number);
}

int main(void)
{
	for (int i = 1; i <= 3; i++)
		handle_request(i);
	if (!mt_is_here()) {
		printf("libmtpreload.so is not loaded: nothing was leaked\n");
		return 0;
	}
	printf("mtpreload %s: %llu bytes leaked\n", mt_version(), mt_mem_used());
	mt_mem_free();
	printf("taken back: %llu bytes are held\n", mt_mem_used());
	return 0;
}
