/* SPDX-License-Identifier: BSD-2-Clause */
/* host_daemon FILE: becomes a daemon as the textbooks say: forks twice, leads no session, closes every descriptor, has
   no umask and the root for its directory. Writes its pid to FILE, waits for SIGTERM, and writes what it is. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave_parent(int status)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(1);
	if (pid > 0)
		_exit(status);
}

static void become_daemon(void)
{
	struct rlimit limit;
	int top = 4096;

	leave_parent(3);
	setsid();
	leave_parent(0);
	umask(0);
	if (chdir("/"))
		_exit(1);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 4096)
		top = (int)limit.rlim_cur;
	for (int fd = 0; fd < top; fd++)
		close(fd);
	open("/dev/null", O_RDWR);
	if (dup(0) != 1 || dup(0) != 2)
		_exit(1);
}

static int say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

	dprintf(fd, "%s", text);
	close(fd);
	return fd;
}

int main(int argc, char **argv)
{
	char line[200], directory[100];
	sigset_t set;
	int number, fd;

	if (argc < 2)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	become_daemon();
	snprintf(line, sizeof(line), "%d\n", (int)getpid());
	say(argv[1], line);
	sigwait(&set, &number);
	free(malloc(100000));
	fd = say(argv[1], "");
	snprintf(line, sizeof(line), "signal %d, next descriptor %d, umask %o, in %s, leads %d, has children %d\n", number,
		 fd, (unsigned)umask(0), getcwd(directory, sizeof(directory)), getsid(0) == getpid(),
		 waitpid(-1, NULL, WNOHANG) >= 0);
	say(argv[1], line);
	return 0;
}
