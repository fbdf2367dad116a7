/* SPDX-License-Identifier: BSD-2-Clause */
/* host_tsd COUNT [together]: so many threads come and go, twenty at a time; each allocates, and its destructors of thread
   specific data free and allocate again while the thread is being torn down. Together: all of them live at once,
   and end at once when a line has come. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 20

static pthread_key_t first, second;
static pthread_barrier_t end;
static bool together;

static void destroy_second(void *block)
{
	free(block);
	free(calloc(3, 333));
}

static void destroy_first(void *block)
{
	free(block);
	pthread_setspecific(second, malloc(77));
	free(realloc(malloc(10), 5000));
}

static void *work(void *unused)
{
	pthread_setspecific(first, malloc(100));
	pthread_setspecific(second, strdup("thread"));
	if (together)
		pthread_barrier_wait(&end);
	return unused;
}

static void wait_for_line(void)
{
	printf("together\n");
	fflush(stdout);
	getchar();
	pthread_barrier_wait(&end);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : AT_ONCE, at_once;
	pthread_t *threads;

	together = argc > 2;
	at_once = together ? count : AT_ONCE;
	threads = calloc((size_t)at_once, sizeof(*threads));
	pthread_barrier_init(&end, NULL, (unsigned)at_once + 1);
	pthread_key_create(&first, destroy_first);
	pthread_key_create(&second, destroy_second);
	for (int done = 0; done < count; done += at_once) {
		for (int i = 0; i < at_once; i++)
			if (pthread_create(&threads[i], NULL, work, NULL))
				return 1;
		if (together)
			wait_for_line();
		for (int i = 0; i < at_once; i++)
			pthread_join(threads[i], NULL);
	}
	free(threads);
	printf("%d threads\n", count);
	return 0;
}
