/* SPDX-License-Identifier: BSD-2-Clause */
/* A host for bench/return.py that has freed nearly all its memory between blocks in use, and goes on allocating on
   its main thread. Asked by a line on its standard input, it prints how long one malloc and free took at most since
   the last such line, in microseconds. `trimmed MIB BYTES`: what was freed, and what it allocates. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOLE_BYTES ((size_t)32 << 10)
#define FENCE_BYTES 64
#define PAUSE_NS 20000

static _Atomic uint64_t longest_ns;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void make_holes(size_t count)
{
	char **holes = malloc(count * sizeof(*holes));

	if (!holes)
		exit(1);
	for (size_t i = 0; i < count; i++) {
		holes[i] = malloc(HOLE_BYTES);
		if (!holes[i] || !memset(malloc(FENCE_BYTES), 1, FENCE_BYTES))
			exit(1);
		memset(holes[i], 1, HOLE_BYTES);
	}
	for (size_t i = 0; i < count; i++)
		free(holes[i]);
	free(holes);
}

static void *answer(void *unused)
{
	char line[32];
	int length;

	while (read(STDIN_FILENO, line, sizeof(line)) > 0) {
		length = snprintf(line, sizeof(line), "%llu\n",
				  (unsigned long long)(atomic_exchange(&longest_ns, 0) / 1000));
		if (write(STDOUT_FILENO, line, (size_t)length) != length)
			break;
	}
	exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	pthread_t thread;
	size_t bytes;

	if (argc < 3)
		return 2;
	bytes = (size_t)atoi(argv[2]);
	make_holes(((size_t)atoi(argv[1]) << 20) / HOLE_BYTES);
	if (pthread_create(&thread, NULL, answer, NULL))
		return 1;
	for (;;) {
		uint64_t start = now_ns(), took;

		free(malloc(bytes));
		took = now_ns() - start;
		if (took > atomic_load(&longest_ns))
			atomic_store(&longest_ns, took);
		nanosleep(&pause, NULL);
	}
}
