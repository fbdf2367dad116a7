/* SPDX-License-Identifier: BSD-2-Clause */
/* What injection is compared with: the same work by a bare loop, on a thread that is not the main one, and what one
   call costs a thread that allocates all the while.
   loops small TOTAL: blocks of 1 to 64 bytes, a store to each; then freed, in the order in which they came.
   loops large TOTAL: one block, a store to each page. loops fill TOTAL: one block, written whole.
   Each prints nanoseconds: to allocate, to free, and of small ones to free with all that the allocator does only when a
   large request comes by.
   loops stall [SIZE]: pairs of malloc and free of so many bytes, or 64, with a store to each page, until its input ends;
   on each line it prints how many there were since the last, the longest, and the longest without the time in which
   other threads had the processor. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static const char *way;
static uint64_t total;

static void small(void)
{
	uint64_t state = 88172645463325252u, left = total, count = 0, start, middle, end;
	size_t room = total * sizeof(void *);
	void **blocks = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (blocks == MAP_FAILED)
		exit(1);
	start = now_ns();
	while (left) {
		uint64_t size;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		size = 1 + state % 64;
		if (size > left)
			size = left;
		left -= size;
		blocks[count] = malloc(size);
		*(volatile char *)blocks[count++] = 0;
	}
	middle = now_ns();
	for (uint64_t i = 0; i < count; i++)
		free(blocks[i]);
	end = now_ns();
	free(malloc(96 << 10));
	printf("%llu %llu %llu\n", (unsigned long long)(middle - start), (unsigned long long)(end - middle),
	       (unsigned long long)(now_ns() - middle));
}

static void large(void)
{
	uint64_t start = now_ns(), middle;
	volatile char *block = malloc(total);

	for (uint64_t i = 0; i < total; i += PAGE)
		block[i] = 0;
	middle = now_ns();
	free((void *)(uintptr_t)block);
	printf("%llu %llu\n", (unsigned long long)(middle - start), (unsigned long long)(now_ns() - middle));
}

static void fill(void)
{
	uint64_t start = now_ns(), middle;
	char *block = malloc(total);

	memset(block, 0x5a, total);
	middle = now_ns();
	free(block);
	printf("%llu %llu\n", (unsigned long long)(middle - start), (unsigned long long)(now_ns() - middle));
}

static void *work(void *unused)
{
	(strcmp(way, "small") == 0 ? small : strcmp(way, "large") == 0 ? large : fill)();
	return unused;
}

/* How long this thread has been ready to run without a processor: the second number of its schedstat, in ns. */
static uint64_t run_delay(void)
{
	static int fd = -1;
	char text[96];
	ssize_t got;

	if (fd < 0)
		fd = open("/proc/thread-self/schedstat", O_RDONLY);
	got = pread(fd, text, sizeof(text) - 1, 0);
	if (got <= 0)
		exit(1);
	text[got] = '\0';
	return strtoull(strchr(text, ' '), NULL, 10);
}

/* Shorter pairs are no stalls, and not worth asking for. */
#define LONG_NS 20000

/* Looks for a line every thousand pairs. */
static void stall(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	unsigned long long pairs = 0, longest = 0, longest_on = 0;
	size_t size = total ? total : 64;
	uint64_t delay = run_delay(), before = now_ns(), after;
	char line[16];

	for (;;) {
		for (int i = 0; i < 1000; i++) {
			volatile char *block = malloc(size);

			for (size_t at = PAGE; at < size; at += PAGE)
				block[at] = 0;
			free((void *)(uintptr_t)block);
			after = now_ns();
			if (after - before > longest)
				longest = after - before;
			if (after - before > LONG_NS) {
				uint64_t now = run_delay(), off = now - delay;

				if (off <= after - before && after - before - off > longest_on)
					longest_on = after - before - off;
				delay = now;
				after = now_ns();
			}
			before = after;
		}
		pairs += 1000;
		if (poll(&in, 1, 0) <= 0) {
			delay = run_delay();
			before = now_ns();
			continue;
		}
		if (read(0, line, sizeof(line)) <= 0)
			return;
		printf("%llu %llu %llu\n", pairs, longest, longest_on);
		fflush(stdout);
		pairs = longest = longest_on = 0;
		delay = run_delay();
		before = now_ns();
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;

	way = argc > 1 ? argv[1] : "";
	total = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	if (strcmp(way, "stall") == 0) {
		stall();
		return 0;
	}
	if (!total || pthread_create(&thread, NULL, work, NULL))
		return 2;
	pthread_join(thread, NULL);
	return 0;
}
