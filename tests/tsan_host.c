/* SPDX-License-Identifier: BSD-2-Clause */
/* A host with threads for ThreadSanitizer, linked with the library's objects but the doorway, whose malloc would take the
   runtime's place: what the doorway does stands here. Its words name the threads. They are there before the library is, as
   those of another library's constructor. For each line of its input those do a round that would keep clients from being
   served for ever, and it ends with its input. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kernel.h"
#include "control/control.h"
#include "control/life.h"
#include "control/step_aside.h"
#include "host/real.h"
#include "inject/budget.h"

#define THREADS_MAX 16

static atomic_bool over;
static atomic_uint lines;

/* Here the runtime is what comes first, and calls go past the table unless they are made through it. */
bool __wrap_real_in_path(void);

bool __wrap_real_in_path(void)
{
	return true;
}

/* The runtime reports on the thread that it has caught, and ours has a standard error of its own, which leads nowhere. */
int __real_thread_settle(const char *name);
int __wrap_thread_settle(const char *name);

int __wrap_thread_settle(const char *name)
{
	int rc = __real_thread_settle(name), fd = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC); /* main's */

	if (fd >= 0) {
		dup2(fd, 2);
		close(fd);
	}
	return rc;
}

/* The runtime holds locks of its own in fork, where no handler could start a thread: so they run around it. And it does not
   take the locks of its heap: so no other thread may be at work then. */
#define HANDLERS_MAX 8

static struct {
	void (*prepare)(void), (*in_parent)(void), (*in_child)(void);
} handlers[HANDLERS_MAX];
static atomic_uint handler_count;

int __wrap_pthread_atfork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void));

int __wrap_pthread_atfork(void (*prepare)(void), void (*in_parent)(void), void (*in_child)(void))
{
	unsigned i = atomic_load(&handler_count);

	handlers[i].prepare = prepare;
	handlers[i].in_parent = in_parent;
	handlers[i].in_child = in_child;
	atomic_store(&handler_count, i + 1);
	return 0;
}

static pthread_rwlock_t rounds = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

/* The caller is inside the gate, so that our thread gets no farther than there. */
static bool ours_sleeps(void)
{
	char path[64], state = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)life_tid());
	stat = fopen(path, "r");
	if (!stat)
		return true; /* there is none */
	if (fscanf(stat, "%*d %*s %c", &state) != 1)
		state = 0;
	fclose(stat);
	return state == 'S';
}

static pid_t fork_with_handlers(void)
{
	unsigned count = atomic_load(&handler_count);
	pid_t pid;

	for (unsigned i = count; i-- > 0;)
		if (handlers[i].prepare)
			handlers[i].prepare();
	while (!ours_sleeps())
		sched_yield();
	pid = fork();
	for (unsigned i = 0; i < count; i++) {
		void (*after)(void) = pid ? handlers[i].in_parent : handlers[i].in_child;

		if (after)
			after();
	}
	return pid;
}

/* One round each. */

static void allocate(void)
{
	for (size_t size = 1; size < 3000; size += 100) {
		char *a = HEAP_CALL(malloc)(size), *b = HEAP_CALL(calloc)(size, 2);

		memset(a, 'a', size);
		a = HEAP_CALL(realloc)(a, 3 * size);
		b[0] = a[0];
		HEAP_CALL(free)(a);
		HEAP_CALL(free)(b);
	}
}

static void call_api(void)
{
	for (size_t size = 1; size < 200000; size *= 3)
		if (control_mem_alloc(size) < 0)
			break;
	if (budget_held() && control_is_active())
		control_mem_free();
}

static void pause_and_resume(void)
{
	if (control_pause())
		control_resume();
}

static void change_rights(void)
{
	bool paused = control_rights_change();

	if (setuid(getuid()) < 0)
		abort();
	control_rights_changed(paused);
	control_own_rights_changed(false);
}

static void have_a_child(void)
{
	int status = 0;
	pid_t pid;

	if (!atomic_load(&lines))
		return; /* the library has yet to begin */
	pthread_rwlock_wrlock(&rounds);
	pid = fork_with_handlers();
	pthread_rwlock_unlock(&rounds);
	if (pid == 0) {
		allocate();
		call_api();
		pause_and_resume();
		control_stop(true);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		abort();
}

static const struct kind {
	const char *name;
	void (*round)(void);
	bool once_a_line;
} kinds[] = {
	{ "allocate", allocate, false },
	{ "api", call_api, false },
	{ "pause", pause_and_resume, true },
	{ "rights", change_rights, true },
	{ "fork", have_a_child, true },
};

static struct {
	pthread_t thread;
	const struct kind *kind;
} threads[THREADS_MAX];

/* One round at the beginning, whatever the library has come to. */
static void *run(void *kind)
{
	static const struct timespec moment = { .tv_nsec = 1000000 };
	const struct kind *k = kind;
	unsigned seen = 0;

	while (!atomic_load(&over)) {
		if (k->round != have_a_child)
			pthread_rwlock_rdlock(&rounds);
		k->round();
		if (k->round != have_a_child)
			pthread_rwlock_unlock(&rounds);
		while (k->once_a_line && seen == atomic_load(&lines) && !atomic_load(&over))
			kernel_nanosleep(&moment, NULL);
		seen = atomic_load(&lines);
	}
	return NULL;
}

static const struct kind *find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "tsan_host: no thread \"%s\"\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	int count = argc - 1 < THREADS_MAX ? argc - 1 : THREADS_MAX;

	for (int i = 0; i < count; i++) {
		threads[i].kind = find(argv[i + 1]);
		if (pthread_create(&threads[i].thread, NULL, run, (void *)threads[i].kind) != 0)
			return 1;
	}
	pthread_rwlock_rdlock(&rounds); /* nobody forks in the midst of it */
	(void)step_aside_ready();
	real_begin();
	control_start();
	pthread_rwlock_unlock(&rounds);
	while (getchar() != EOF)
		atomic_fetch_add(&lines, 1);
	atomic_store(&over, true);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i].thread, NULL);
	control_stop(false);
	return 0;
}
