/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin that forks while it is loaded, after a line has come: whoever loads it is inside dlopen all the time. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((constructor)) static void load(void)
{
	pid_t child;

	printf("loading\n");
	fflush(stdout);
	(void)getchar();
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	printf("forked\n");
	fflush(stdout);
}
