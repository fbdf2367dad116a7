/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks all its memory, of now and of later, before any library has started (`early`) or once it is told to (`late`);
   `future` and `tight` lock what comes later alone, and `tight` may then lock no more. Sleeps. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int rc;

static void lock(int argc, char **argv, char **environment)
{
	int flags = MCL_CURRENT | MCL_FUTURE;

	(void)environment;
	if (argc < 2 || (strcmp(argv[1], "early") && strcmp(argv[1], "future")))
		return;
	if (*argv[1] == 'f')
		flags = MCL_FUTURE;
	rc = mlockall(flags);
}

__attribute__((section(".preinit_array"), used)) static void (*first)(int, char **, char **) = lock;

/* Later mappings are to be locked, and none more may be. */
static void lock_tight(void)
{
	const struct rlimit page = { 4096, 4096 };

	if (mlockall(MCL_FUTURE) || setrlimit(RLIMIT_MEMLOCK, &page))
		perror("mlockall");
}

static void lock_all(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		perror("mlockall");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "none";

	if (rc)
		perror("mlockall");
	puts("ready");
	fflush(stdout);
	if (strcmp(mode, "late") == 0 || strcmp(mode, "tight") == 0) {
		getchar();
		if (*mode == 'l')
			lock_all();
		else
			lock_tight();
		puts("locked");
		fflush(stdout);
	}
	for (;;)
		pause();
}
