/* SPDX-License-Identifier: BSD-2-Clause */
/* host_handler_forks COUNT: a timer's handler forks that often, in the midst of calls of the C API, once a line has come. Its
   allocator takes no lock, and so none that a handler might wait for. */
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/mtpreload.h"

/* Pieces of one size that go round: whoever comes to a piece again long since has no use for it. */
#define PIECE_BYTES ((size_t)4096)
#define PIECES ((size_t)2048)
#define LATEST_US 200

static _Alignas(64) char heap[PIECES * PIECE_BYTES];
static _Atomic size_t taken;

void *malloc(size_t size)
{
	/* The first quarter is for what stays. */
	size_t n = atomic_fetch_add(&taken, 1);

	if (size > PIECE_BYTES)
		return NULL;
	return heap + (n < PIECES ? n : PIECES / 4 + n % (PIECES - PIECES / 4)) * PIECE_BYTES;
}

void free(void *at)
{
	(void)at;
}

size_t malloc_usable_size(void *at)
{
	return at ? PIECE_BYTES : 0;
}

void *calloc(size_t count, size_t size)
{
	void *at = malloc(count * size);

	return at ? memset(at, 0, count * size) : NULL;
}

void *realloc(void *old, size_t size)
{
	return size <= PIECE_BYTES && old ? old : malloc(size);
}

static volatile sig_atomic_t forks;

static void fork_in_handler(int number)
{
	pid_t pid = fork();

	(void)number;
	if (pid == 0)
		_exit(0);
	if (pid > 0 && waitpid(pid, NULL, 0) == pid)
		forks++;
}

/* A little later each time, so that it comes everywhere. */
static void set_timer(void)
{
	const struct itimerval once = { .it_value = { .tv_usec = 1 + forks % LATEST_US } };

	setitimer(ITIMER_REAL, &once, NULL);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 3, seen = -1;

	if (getchar() == EOF)
		return 2;
	signal(SIGALRM, fork_in_handler);
	while (forks < count) {
		if (forks != seen) {
			seen = forks;
			set_timer();
		}
		if (mt_is_here()) {
			mt_mem_alloc(100);
			mt_mem_free();
		}
	}
	printf("%d forks\n", count);
	return 0;
}
