/* SPDX-License-Identifier: BSD-2-Clause */
/* host_last WAY: the main thread is not the last one. main: it ends by pthread_exit, and another thread goes on
   until a line comes. fork: a thread forks, and in the child, whose only thread it is, its function
   returns. Either process ends as the C library ends it: exit handlers run, streams are flushed, status 0. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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
		alarm(60);
		printf("child returns\n");
		return unused;
	}
	if (waitpid(pid, &status, 0) == pid)
		printf("child status %d\n", status);
	return unused;
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
	pthread_create(&thread, NULL, work, NULL);
	pthread_exit(NULL);
}
