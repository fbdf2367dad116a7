/* SPDX-License-Identifier: BSD-2-Clause */
/* Forks once when a line comes, prints the child's pid; both end when standard input does. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	pid_t pid;

	if (getchar() == EOF)
		return 2;
	pid = fork();
	if (pid == 0) {
		while (getchar() != EOF)
			continue;
		return 0;
	}
	printf("%d\n", (int)pid);
	fflush(stdout);
	return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}
