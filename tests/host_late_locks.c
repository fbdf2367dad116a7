/* SPDX-License-Identifier: BSD-2-Clause */
/* host_late_locks COUNT: has a malloc of its own with a lock, which its fork handlers take; they are registered in main,
   behind the library's. Forks that often once a line has come; each child allocates. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/forks.h"

/* Lists of free blocks by the power of two of their size, a head of 16 bytes before each. */
static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;

struct head {
	struct head *next;
	size_t power;
};

static struct head *spare[64];
static char *fresh;
static size_t fresh_left;

#define REGION_BYTES ((size_t)64 << 20)

static struct head *take(size_t power)
{
	size_t bytes = (size_t)1 << power;
	struct head *h = spare[power];

	if (h) {
		spare[power] = h->next;
		return h;
	}
	if (bytes > fresh_left) {
		size_t region = bytes > REGION_BYTES ? bytes : REGION_BYTES;
		void *at = mmap(NULL, region, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			return NULL;
		fresh = at;
		fresh_left = region;
	}
	h = (struct head *)(void *)fresh;
	fresh += bytes;
	fresh_left -= bytes;
	h->power = power;
	return h;
}

void *malloc(size_t size)
{
	size_t power = 5;
	struct head *h;

	while (((size_t)1 << power) < size + sizeof(*h))
		if (++power == 40)
			return NULL;
	pthread_mutex_lock(&heap);
	h = take(power);
	pthread_mutex_unlock(&heap);
	return h ? h + 1 : NULL;
}

static struct head *head_of(void *at)
{
	return (struct head *)((uintptr_t)at - sizeof(struct head));
}

void free(void *at)
{
	struct head *h = head_of(at);

	if (!at)
		return;
	pthread_mutex_lock(&heap);
	h->next = spare[h->power];
	spare[h->power] = h;
	pthread_mutex_unlock(&heap);
}

size_t malloc_usable_size(void *at)
{
	size_t size;

	if (!at)
		return 0;
	pthread_mutex_lock(&heap);
	size = ((size_t)1 << head_of(at)->power) - sizeof(struct head);
	pthread_mutex_unlock(&heap);
	return size;
}

void *calloc(size_t count, size_t size)
{
	void *at = size && count > SIZE_MAX / size ? NULL : malloc(count * size);

	return at ? memset(at, 0, count * size) : NULL;
}

void *realloc(void *old, size_t size)
{
	size_t had = malloc_usable_size(old);
	void *at;

	if (old && size <= had)
		return old;
	at = malloc(size);
	if (at && old)
		memcpy(at, old, had);
	if (at)
		free(old);
	return at;
}

void *memalign(size_t alignment, size_t size)
{
	(void)size;
	return alignment <= 16 ? malloc(size) : NULL; /* nobody asks for more here */
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = memalign(alignment, size);
	return *out ? 0 : 12;
}

static void lock(void)
{
	pthread_mutex_lock(&heap);
}

static void unlock(void)
{
	pthread_mutex_unlock(&heap);
}

static void allocate(void)
{
	free(malloc(100));
}

int main(int argc, char **argv)
{
	pthread_atfork(lock, unlock, unlock);
	if (getchar() == EOF)
		return 2;
	return fork_often(argc > 1 ? atoi(argv[1]) : 3, allocate) ? 0 : 1;
}
