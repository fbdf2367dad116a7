/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses the C API where it is there, and runs all the same where it is not. "overrun": writes past a block
   of its own into an injected one, which with glibc lies right behind it. */
#include <errno.h>
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

int main(int argc, char **argv)
{
	if (!mt_is_here()) {
		printf("not here\n");
		return 0;
	}
	printf("version %s active %d\n", mt_version(), mt_is_active());
	if (argc > 1 && strcmp(argv[1], "overrun") == 0) {
		overrun();
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
