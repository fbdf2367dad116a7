/* SPDX-License-Identifier: BSD-2-Clause */
/* A host for bench/return.py whose one thread of work allocates fifty blocks of up to 3000 bytes, frees them, and rests. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCKS 50
#define BYTES_MAX 3000
#define PAUSE_US 100

static void *work(void *unused)
{
	void *blocks[BLOCKS];
	unsigned state = 1;

	for (;;) {
		for (int i = 0; i < BLOCKS; i++)
			blocks[i] = malloc((size_t)(rand_r(&state) % BYTES_MAX));
		for (int i = 0; i < BLOCKS; i++)
			free(blocks[i]);
		usleep(PAUSE_US);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 1;
	for (;;)
		pause();
}
