/* SPDX-License-Identifier: BSD-2-Clause */
/* host_last WAY: the main thread is not the last one. main: it ends by pthread_exit, and another thread goes on
   until a line comes. call: the same, but it ends by the
   system call. fork: a thread forks, and in the child, whose only thread it is, its function
   returns. beside: the main thread forks, and ends, beside one that goes into new namespaces all the time; says how many
   children were as they should be. But for call, the process ends as the C library ends it: exit handlers run, streams
   are flushed, status 0. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/mtpreload.h"

static void at_exit(void)
{
	printf("at exit\n");
}

static void *work(void *unused)
{
	int c = getchar();

	printf("line %d\n", c);
	return unused;
}

static void *fork_and_return(void *unused)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(600);
		printf("child returns\n");
		return unused;
	}
	if (waitpid(pid, &status, 0) == pid)
		printf("child status %d\n", status);
	return unused;
}

#define ROUNDS 40

static atomic_int rounds;
static atomic_bool told;

static void *unshare_often(void *unused)
{
	while (!told)
		unshare(CLONE_NEWUTS);
	for (int i = 0; i < ROUNDS; i++)
		unshare(CLONE_NEWUTS);
	printf("the last one\n");
	return unused;
}

/* It has its only thread and, under the library, that one's. */
static bool child_is_as_its_parent(void)
{
	struct stat st = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(stat("/proc/self/task", &st) < 0 || (int)st.st_nlink - 2 != 1 + mt_is_here());
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void fork_beside(void)
{
	int same = 0;

	for (; rounds < ROUNDS; rounds++)
		same += child_is_as_its_parent();
	printf("%d children as they should be\n", same);
	told = true;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	atexit(at_exit);
	if (argc > 1 && strcmp(argv[1], "fork") == 0) {
		pthread_create(&thread, NULL, fork_and_return, NULL);
		pthread_join(thread, NULL);
		return 5;
	}
	if (argc > 1 && strcmp(argv[1], "beside") == 0) {
		pthread_create(&thread, NULL, unshare_often, NULL);
		fork_beside();
		pthread_exit(NULL);
	}
	pthread_create(&thread, NULL, work, NULL);
	if (argc > 1 && strcmp(argv[1], "call") == 0)
		syscall(SYS_exit, 0);
	pthread_exit(NULL);
}
