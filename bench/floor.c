/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor: an empty pass-through wrapper, each function one jump through a pointer that RTLD_NEXT gave. What
   we cost is told beside it. With IDLE_THREAD it also has a thread that sleeps for ever, since a second thread
   alone makes glibc's allocator leave its path for single-threaded programs. With CHILD_THREAD each forked child
   has one, too, as each child of ours is to answer. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define FAMILY(X)                                                                                   \
	X(void *, malloc, (size_t size), (size))                                                    \
	X(void *, calloc, (size_t count, size_t size), (count, size))                               \
	X(void *, realloc, (void *at, size_t size), (at, size))                                     \
	X(void *, memalign, (size_t alignment, size_t size), (alignment, size))                     \
	X(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))                \
	X(int, posix_memalign, (void **out, size_t alignment, size_t size), (out, alignment, size)) \
	X(void *, valloc, (size_t size), (size))                                                    \
	X(void *, pvalloc, (size_t size), (size))                                                   \
	X(void *, reallocarray, (void *at, size_t count, size_t size), (at, count, size))           \
	X(size_t, malloc_usable_size, (void *at), (at))

static void resolve(void);

/* free alone returns nothing. The first call of each, often before any constructor, finds them all. */
#define POINTER(type, name, parameters, arguments)  \
	static type first_##name parameters;        \
	static type(*next_##name) parameters = first_##name;
#define WRAPPER(type, name, parameters, arguments)  \
	static type first_##name parameters         \
	{                                           \
		resolve();                          \
		return next_##name arguments;       \
	}                                           \
	type name parameters;                       \
	__attribute__((visibility("default"))) type name parameters \
	{                                           \
		return next_##name arguments;       \
	}

static void first_free(void *at);
static void (*next_free)(void *at) = first_free;

FAMILY(POINTER)

static void find(const char *name, void *slot)
{
	void *at = dlsym(RTLD_NEXT, name);

	memcpy(slot, &at, sizeof(at));
}

#define FIND(type, name, parameters, arguments) find(#name, &next_##name);

static void resolve(void)
{
	find("free", &next_free);
	FAMILY(FIND)
}

FAMILY(WRAPPER)

static void first_free(void *at)
{
	resolve();
	next_free(at);
}

void free(void *at);
__attribute__((visibility("default"))) void free(void *at)
{
	next_free(at);
}

#ifdef IDLE_THREAD

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

__attribute__((constructor)) static void start(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, sleep_for_ever, NULL) == 0)
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
#ifdef CHILD_THREAD
	static bool follows; /* a child has the handler already */

	if (!follows)
		follows = pthread_atfork(NULL, NULL, start) == 0;
#endif
}

#endif
