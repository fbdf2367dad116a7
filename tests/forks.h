/* SPDX-License-Identifier: BSD-2-Clause */
/* Forks in each way that the C library has: fork, daemon and forkpty. A child that hangs is seen by the alarm. */
#ifndef MT_TESTS_FORKS_H
#define MT_TESTS_FORKS_H

#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS_WELL 9 /* what a child ends with */

static bool ended_with(pid_t pid, int wanted)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == wanted;
}

static void run_child(void (*work)(void))
{
	alarm(60);
	work();
	_exit(FORKS_WELL);
}

static bool by_fork(void (*work)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		run_child(work);
	return ended_with(pid, FORKS_WELL);
}

/* daemon's parent ends at once with status 0. */
static bool by_daemon(void (*work)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		if (daemon(1, 1) == 0)
			run_child(work);
		_exit(1);
	}
	return ended_with(pid, 0);
}

static bool by_forkpty(void (*work)(void))
{
	int terminal;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
	bool well;

	if (pid == 0)
		run_child(work);
	well = ended_with(pid, FORKS_WELL);
	close(terminal);
	return well;
}

/* One way after the other; false once a child went wrong. */
static bool fork_often(int count, void (*work)(void))
{
	static bool (*const ways[])(void (*work)(void)) = { by_fork, by_daemon, by_forkpty };

	for (int i = 0; i < count; i++)
		if (!ways[i % 3](work)) {
			printf("fork %d went wrong\n", i);
			return false;
		}
	printf("%d forks\n", count);
	return true;
}

#endif
