/* SPDX-License-Identifier: BSD-2-Clause */
/* host_held_mutex COUNT: its fork handlers take a mutex that another thread holds while it calls mt_mem_alloc. Forks that
   often once a line has come; each child does the same. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "include/mtpreload.h"
#include "tests/forks.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool over;

static void lock(void)
{
	pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

static void inject(void)
{
	lock();
	if (mt_is_here()) {
		mt_mem_alloc(100);
		mt_mem_free();
	}
	unlock();
}

static void *inject_often(void *unused)
{
	while (!atomic_load(&over))
		inject();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	bool well;

	pthread_atfork(lock, unlock, unlock);
	if (getchar() == EOF || pthread_create(&thread, NULL, inject_often, NULL) != 0)
		return 2;
	well = fork_often(argc > 1 ? atoi(argv[1]) : 3, inject);
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	return well ? 0 : 1;
}
