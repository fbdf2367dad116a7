/* SPDX-License-Identifier: BSD-2-Clause */
/* exec COUNT PROGRAM [NAME=VALUE]...: how long it takes to start a program with that added to its environment and
   to see it end, COUNT times, one after the other. Prints microseconds. */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static void run_once(char *program)
{
	char *argv[] = { program, NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environ) || waitpid(pid, &status, 0) != pid ||
	    status) {
		fprintf(stderr, "%s did not run well\n", program);
		exit(1);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	uint64_t *ns = calloc(count + 1, sizeof(*ns)), sum = 0;

	if (!count || !ns)
		return 2;
	for (int i = 3; i < argc; i++)
		putenv(argv[i]);
	for (size_t i = 0; i < count; i++) {
		uint64_t start = clock_ns();

		run_once(argv[2]);
		ns[i] = clock_ns() - start;
		sum += ns[i];
	}
	qsort(ns, count, sizeof(*ns), by_size);
	printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"mean_us\":%.1f}\n", (double)ns[count / 2] / 1e3,
	       (double)ns[count * 99 / 100] / 1e3, (double)sum / 1e3 / (double)count);
	free(ns);
	return 0;
}
