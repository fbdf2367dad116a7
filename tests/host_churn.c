/* SPDX-License-Identifier: BSD-2-Clause */
/* host_churn WAY: two threads allocate all the while, threads come and go, until a line says how it is to end:
   exit, _exit, abort, return, or main (by pthread_exit, the threads a moment later). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_bool over;

static void *brief(void *unused)
{
	free(realloc(malloc(100), 10000));
	return unused;
}

static void *churn(void *unused)
{
	void *held[64] = { NULL };
	pthread_t thread;

	for (unsigned i = 0; !atomic_load(&over); i++) {
		free(held[i % 64]);
		held[i % 64] = malloc(1 + i * 7919 % 20000);
		if (i % 100 == 0 && pthread_create(&thread, NULL, brief, NULL) == 0)
			pthread_join(thread, NULL);
	}
	for (int i = 0; i < 64; i++)
		free(held[i]);
	return unused;
}

int main(void)
{
	pthread_t threads[2];
	char way[32] = "";

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(way, sizeof(way), stdin))
		return 2;
	way[strcspn(way, "\n")] = '\0';
	if (strcmp(way, "exit") == 0)
		exit(3);
	if (strcmp(way, "_exit") == 0)
		_exit(3);
	if (strcmp(way, "abort") == 0)
		abort();
	atomic_store(&over, true);
	if (strcmp(way, "main") == 0)
		pthread_exit(NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 3;
}
