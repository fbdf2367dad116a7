/* SPDX-License-Identifier: BSD-2-Clause */
/* calls: a host that sends itself signals, sets its user, changes it and forks. It waits for a line, so that whoever starts
   it can let a preloaded library settle or connect a client. Prints nanoseconds a call: the median over
   many short samples, the kinds by turns. The clock that passes counts, since other threads may be waited for. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define SAMPLES 41

static void do_nothing(int number)
{
	(void)number;
}

static void send_signals(size_t count)
{
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

	for (size_t i = 0; i < count; i++)
		syscall(SYS_tgkill, pid, tid, SIGUSR1);
}

/* Nothing changes by it; the C library tells each thread all the same. */
static void set_user(size_t count)
{
	uid_t uid = getuid();

	for (size_t i = 0; i < count; i++)
		if (setuid(uid))
			exit(1);
}

/* As a server does that acts for its users. Who is not root stays the same. */
static void change_user(size_t count)
{
	uid_t uid = geteuid(), other = uid ? uid : 1;

	for (size_t i = 0; i < count; i++)
		if (seteuid(i % 2 ? uid : other))
			exit(1);
}

static void fork_and_wait(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			exit(1);
	}
}

static struct work {
	const char *name;
	void (*run)(size_t count);
	size_t count; /* calls in a sample */
	uint64_t ns[SAMPLES];
} works[] = {
	{ .name = "signal", .run = send_signals, .count = 2000 },
	{ .name = "setuid", .run = set_user, .count = 100 },
	{ .name = "seteuid", .run = change_user, .count = 100 },
	{ .name = "fork", .run = fork_and_wait, .count = 10 },
};
#define WORKS (sizeof(works) / sizeof(*works))

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	char line[8];

	if (signal(SIGUSR1, do_nothing) == SIG_ERR || !fgets(line, sizeof(line), stdin))
		return 1;
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t w = 0; w < WORKS; w++) {
			uint64_t start = clock_ns();

			works[w].run(works[w].count);
			works[w].ns[i] = clock_ns() - start;
		}
	for (size_t w = 0; w < WORKS; w++) {
		qsort(works[w].ns, SAMPLES, sizeof(*works[w].ns), by_size);
		printf("%c\"%s\":%.1f", w ? ',' : '{', works[w].name,
		       (double)works[w].ns[SAMPLES / 2] / (double)works[w].count);
	}
	printf("}\n");
	return 0;
}
