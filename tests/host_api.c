/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses the C API where it is there, and runs all the same where it is not. "overrun": writes past a block
   of its own into an injected one, which with glibc lies right behind it. "thread": in one with the least
   stack that there may be, which is cancelled meanwhile. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/mtpreload.h"

/* A size that nothing before has used, so both blocks come fresh from the top of the heap. */
#define BLOCK 20024

static void overrun(void)
{
	char *own = malloc(BLOCK);

	mt_mem_alloc(BLOCK);
	memset(own + BLOCK + 8, 'X', 4); /* past the next block's header, so that free survives */
	printf("used %llu\n", mt_mem_used());
	mt_mem_free();
	free(own);
}

static void *alloc_cancelled(void *unused)
{
	pthread_cancel(pthread_self());
	mt_mem_alloc(BLOCK);
	pthread_testcancel();
	return unused;
}

static void in_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *got = NULL;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN);
	pthread_create(&thread, &attr, alloc_cancelled, NULL);
	pthread_join(thread, &got);
	pthread_attr_destroy(&attr);
	printf("cancelled %d used %llu\n", got == PTHREAD_CANCELED, mt_mem_used());
	mt_mem_free();
	printf("used %llu\n", mt_mem_used());
}

int main(int argc, char **argv)
{
	if (!mt_is_here()) {
		printf("not here\n");
		return 0;
	}
	printf("version %s active %d\n", mt_version(), mt_is_active());
	if (argc > 1 && strcmp(argv[1], "overrun") == 0) {
		overrun();
	} else if (argc > 1 && strcmp(argv[1], "thread") == 0) {
		in_thread();
	} else {
		errno = 5;
		printf("alloc %d", mt_mem_alloc(1048576));
		printf(" used %llu\n", mt_mem_used());
		mt_mem_free();
		printf("used %llu errno %d\n", mt_mem_used(), errno);
		printf("too much %d", mt_mem_alloc((size_t)-1));
		printf(" errno %d\n", errno == ENOMEM);
	}
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}
