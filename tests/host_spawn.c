/* SPDX-License-Identifier: BSD-2-Clause */
/* Every way to run another program: their output and statuses. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void say(const char *what, int status)
{
	printf("%s: %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fflush(stdout);
}

static void wait_and_say(const char *what, pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	say(what, status);
}

int main(void)
{
	char *const command[] = { "sh", "-c", "echo spawned; exit 3", NULL };
	char line[64] = "";
	pid_t pid;
	FILE *pipe;

	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, command, environ) == 0)
		wait_and_say("posix_spawn", pid);
	pid = vfork();
	if (pid == 0) {
		execv("/bin/sh", command);
		_exit(127);
	}
	wait_and_say("vfork and exec", pid);
	pid = vfork();
	if (pid == 0) {
		execv("/nonexistent", command);
		_exit(127);
	}
	wait_and_say("vfork and no exec", pid);
	say("system", system("echo by system; exit 4"));
	pipe = popen("echo by popen; exit 5", "r");
	if (pipe && fgets(line, sizeof(line), pipe))
		printf("read %s", line);
	say("popen", pclose(pipe));
	/* A child that the C library does not know of: ours has no thread in it, and nothing may wait for one. */
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		alarm(600);
		free(malloc(100));
		_exit(unshare(CLONE_FS) == 0 ? 6 : errno);
	}
	wait_and_say("raw clone", pid);
	return 8;
}
