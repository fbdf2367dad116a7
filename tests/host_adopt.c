/* SPDX-License-Identifier: BSD-2-Clause */
/* host_adopt [TASKS]: forks once when a line comes, prints the child's pid; both end when standard input does. Its user may
   then have so many tasks, so that the child gets no second thread. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool allow_tasks(rlim_t count)
{
	return setrlimit(RLIMIT_NPROC, &(struct rlimit){ count, count }) == 0;
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (getchar() == EOF || (argc > 1 && !allow_tasks((rlim_t)atoi(argv[1]))))
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
