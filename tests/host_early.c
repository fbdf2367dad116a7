/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates before any library's constructor has run, and frees it at the very end. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *early, *zeros, *aligned;

static void before_constructors(void)
{
	early = realloc(malloc(10), 1000);
	zeros = calloc(10, 10);
	aligned = aligned_alloc(256, 512);
	if (early)
		memset(early, 'e', 1000);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = before_constructors;

static void at_the_end(void)
{
	free(early);
	free(zeros);
	free(aligned);
}

int main(void)
{
	atexit(at_the_end);
	early = realloc(early, 2000);
	printf("%.3s %d %d %d\n", early, zeros[99], (int)((size_t)aligned % 256),
	       malloc_usable_size(early) >= 2000);
	return 0;
}
