/* SPDX-License-Identifier: BSD-2-Clause */
/* heap: a host that does nothing but allocate. Prints, for each kind of work, nanoseconds an operation: the
   median over many short samples, the kinds by turns, since what the branch predictor has learnt of one loop
   can stay wrong by a fifth for a quarter of a second, and right for the next. A thread alone is measured in its own processor time, which other programs'
   turns do not move; two threads also in time that passes, since waiting for each other's locks is what they
   may pay with. What it is preloaded with is the caller's choice. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define SAMPLE_NS (4 * NS_PER_MS)
#define SAMPLES 31
#define BATCH 1000
#define THREADS 2

static void *kept[16]; /* so that no checker calls it a leak */

/* Not inlined, so that all subjects run the same instructions at the same alignment. */
#define WORK __attribute__((noinline)) static void

WORK pair_64(size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(malloc(64));
}

WORK pair_512(size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(malloc(512));
}

WORK calloc_64(size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(calloc(1, 64));
}

#define GROW_FROM 16
#define GROW_TO 1024

/* A block grows in place where the one behind it is free, which differs with whoever allocated before main.
   So each size gets a free block with one in use behind it: then each step moves, under everybody. */
static void prepare_realloc(void)
{
	void *freed[16];
	size_t count = 0;

	for (size_t size = GROW_FROM; size <= GROW_TO; size *= 2) {
		freed[count++] = malloc(size);
		kept[count] = malloc(size);
	}
	while (count)
		free(freed[--count]);
}

/* One operation is the whole life of a block that grows from 16 to 1024 bytes. */
WORK realloc_grow(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *at = malloc(GROW_FROM);

		for (size_t size = 2 * GROW_FROM; size <= GROW_TO; size *= 2) {
			void *moved = realloc(at, size);

			at = moved ? moved : at;
		}
		free(at);
	}
}

/* One operation is one malloc and one free, a thousand of the one before a thousand of the other. */
WORK batch_64(size_t count)
{
	static void *blocks[BATCH];

	for (size_t done = 0; done < count; done += BATCH) {
		for (size_t i = 0; i < BATCH; i++)
			blocks[i] = malloc(64);
		for (size_t i = 0; i < BATCH; i++)
			free(blocks[i]);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t time_of(void (*work)(size_t), size_t count, clockid_t clock)
{
	uint64_t start = now_ns(clock);

	work(count);
	return now_ns(clock) - start;
}

/* How many operations make a sample. A multiple of the batch. */
static size_t sample_size(void (*work)(size_t))
{
	size_t count = BATCH;

	while (time_of(work, count, CLOCK_THREAD_CPUTIME_ID) < SAMPLE_NS)
		count *= 2;
	return count;
}

static double median(uint64_t ns[SAMPLES], size_t count)
{
	qsort(ns, SAMPLES, sizeof(*ns), by_size);
	return (double)ns[SAMPLES / 2] / (double)count;
}

static struct work {
	const char *name;
	void (*run)(size_t count);
	size_t count;
	uint64_t ns[SAMPLES];
} works[] = {
	{ .name = "pair_64", .run = pair_64 },	 { .name = "pair_512", .run = pair_512 },
	{ .name = "calloc_64", .run = calloc_64 }, { .name = "realloc", .run = realloc_grow },
	{ .name = "batch_64", .run = batch_64 },
};
#define WORKS (sizeof(works) / sizeof(*works))

static void alone(void)
{
	for (size_t w = 0; w < WORKS; w++)
		works[w].count = sample_size(works[w].run);
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t w = 0; w < WORKS; w++)
			works[w].ns[i] = time_of(works[w].run, works[w].count, CLOCK_THREAD_CPUTIME_ID);
}

struct worker {
	pthread_t thread;
	unsigned number;
	size_t count;
	uint64_t passed_ns[SAMPLES], own_ns[SAMPLES];
};

static pthread_barrier_t together;

/* The nth processor that we may use, so that the workers do not share one. */
static void pin(unsigned n)
{
	cpu_set_t allowed, one;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	n %= (unsigned)CPU_COUNT(&allowed);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof(one), &one);
			return;
		}
}

static void *run_worker(void *argument)
{
	struct worker *self = argument;

	pin(self->number);
	for (size_t i = 0; i < SAMPLES; i++) {
		uint64_t own;

		pthread_barrier_wait(&together);
		own = now_ns(CLOCK_THREAD_CPUTIME_ID);
		self->passed_ns[i] = time_of(pair_64, self->count, CLOCK_MONOTONIC);
		self->own_ns[i] = now_ns(CLOCK_THREAD_CPUTIME_ID) - own;
	}
	return NULL;
}

/* Prints the mean over the threads. */
static void in_threads(void)
{
	static struct worker workers[THREADS];
	size_t count = sample_size(pair_64);
	double passed = 0, own = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .number = i, .count = count };
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			exit(1);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		passed += median(workers[i].passed_ns, count) / THREADS;
		own += median(workers[i].own_ns, count) / THREADS;
	}
	printf("\"threads_pair_64\":%.3f,\"threads_pair_64_cpu\":%.3f", passed, own);
}

int main(void)
{
	prepare_realloc();
	alone();
	printf("{");
	for (size_t w = 0; w < WORKS; w++)
		printf("\"%s\":%.3f,", works[w].name, median(works[w].ns, works[w].count));
	/* Last: from the first thread on, glibc no longer takes us for a single-threaded program. */
	in_threads();
	printf("}\n");
	return 0;
}
