/* SPDX-License-Identifier: BSD-2-Clause */
/* host_asan COUNT: when a line comes, forks that often; each child allocates, frees and ends. In its only
   thread: with others that allocate, children hang in the sanitizer's own locks, without us too. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int child(void)
{
	alarm(600);
	for (size_t size = 1; size < 100000; size *= 7)
		free(realloc(malloc(size), size * 2));
	return 9;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;

	if (getchar() == EOF)
		return 2;
	for (int i = 0; i < count; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			return child();
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 9) {
			printf("fork %d went wrong\n", i);
			return 1;
		}
	}
	printf("%d children\n", count);
	fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}
