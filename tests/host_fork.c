/* SPDX-License-Identifier: BSD-2-Clause */
/* host_fork COUNT: forks that often while two threads allocate; each child allocates, frees, and ends by
   _exit or exit. A child that hangs is seen by the alarm. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool over;

static void *churn(void *unused)
{
	while (!atomic_load(&over))
		for (size_t size = 1; size < 100000; size *= 3)
			free(malloc(size));
	return unused;
}

static int child(int i)
{
	alarm(600);
	for (size_t size = 1; size < 100000; size *= 7)
		free(realloc(malloc(size), size * 2));
	if (i % 2)
		_exit(9);
	return 9;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < count; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			return child(i);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 9) {
			printf("fork %d went wrong\n", i);
			return 1;
		}
	}
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%d children\n", count);
	return 0;
}
