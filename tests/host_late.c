/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates and frees to the very end: in exit handlers, in destructors, and in what runs after them. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *kept;

static void churn(const char *where)
{
	char *block = calloc(10, 1000);

	block = realloc(block, 300000);
	free(kept);
	kept = strdup(where);
	printf("%s %d\n", kept, malloc_usable_size(block) >= 300000);
	free(block);
}

static void first_handler(void)
{
	churn("handler registered first");
}

static void handler_in_a_handler(void)
{
	churn("handler registered by a handler");
}

static void last_handler(void)
{
	churn("handler registered last");
	atexit(handler_in_a_handler);
}

__attribute__((destructor(101))) static void very_last(void)
{
	churn("destructor 101");
	fflush(stdout);
	free(kept);
}

__attribute__((destructor(65000))) static void not_last(void)
{
	churn("destructor 65000");
}

int main(void)
{
	atexit(first_handler);
	atexit(last_handler);
	kept = strdup("main");
	return 6;
}
