/* SPDX-License-Identifier: BSD-2-Clause */
/* host_end WAY: ends in one of the ways a process can end, once a line has come: exit, _exit, _Exit, quick_exit,
   return, signal (_exit in a handler that interrupts malloc), vfork (a vfork child ends by _exit, then a line ends
   the parent), thread (the system call that ends one thread), strict (that, where nothing else is allowed). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_in_handler(int number)
{
	_exit(number - SIGALRM + 4);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "return";

	if (getchar() == EOF)
		return 2;
	if (strcmp(way, "exit") == 0)
		exit(4);
	if (strcmp(way, "_exit") == 0)
		_exit(4);
	if (strcmp(way, "_Exit") == 0)
		_Exit(4);
	if (strcmp(way, "quick_exit") == 0)
		quick_exit(4);
	if (strcmp(way, "strict") == 0)
		syscall(SYS_prctl, PR_SET_SECCOMP, 1, 0, 0, 0);
	if (strcmp(way, "strict") == 0 || strcmp(way, "thread") == 0)
		syscall(SYS_exit, 4);
	if (strcmp(way, "signal") == 0) {
		signal(SIGALRM, end_in_handler);
		alarm(1);
		for (;;)
			free(malloc(1000));
	}
	if (strcmp(way, "vfork") == 0) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
		printf("vforked\n");
		fflush(stdout);
		getchar();
	}
	return 4;
}
