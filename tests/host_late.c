/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocates and frees to the very end: in exit handlers, in destructors, and in what runs after them; also as a C++
   compiler has the destructors of static objects run. */
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

/* The Itanium C++ ABI, 3.3.6: for each static object, where it has been constructed. */
int __cxa_atexit(void (*destroy)(void *), void *object, void *dso);
extern void *__dso_handle;

static void destroy_object(void *object)
{
	churn(object);
	free(object);
}

static void construct_object(const char *name)
{
	__cxa_atexit(destroy_object, strdup(name), &__dso_handle);
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
	construct_object("static object");
	atexit(first_handler);
	construct_object("another static object");
	atexit(last_handler);
	kept = strdup("main");
	return 6;
}
