/* SPDX-License-Identifier: BSD-2-Clause */
/* host_tsd COUNT: so many threads come and go, twenty at a time; each allocates, and its destructors of thread specific
   data free and allocate again while the thread is being torn down. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 20

static pthread_key_t first, second;

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
	return unused;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : AT_ONCE;
	pthread_t threads[AT_ONCE];

	pthread_key_create(&first, destroy_first);
	pthread_key_create(&second, destroy_second);
	for (int done = 0; done < count; done += AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++)
			if (pthread_create(&threads[i], NULL, work, NULL))
				return 1;
		for (int i = 0; i < AT_ONCE; i++)
			pthread_join(threads[i], NULL);
	}
	printf("%d threads\n", count);
	return 0;
}
