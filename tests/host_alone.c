/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that the kernel grants only to a process with one thread, each in a child of its own; then, as
   one that lives on, waits for a line. Prints what each call said. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int say(const char *what, int rc)
{
	printf("%s: %s\n", what, rc < 0 ? strerror(errno) : "done");
	fflush(stdout);
	return rc;
}

static int unshare_by_number(int flags)
{
	return (int)syscall(SYS_unshare, flags);
}

static void in_child_by(int (*call)(int flags), const char *what, int flags)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(say(what, call(flags)) < 0);
	waitpid(pid, &status, 0);
	printf("child %d\n", status);
}

static void in_child(const char *what, int flags)
{
	in_child_by(unshare, what, flags);
	in_child_by(unshare_by_number, what, flags);
}

int main(void)
{
	int fd;

	in_child("new user namespace", CLONE_NEWUSER);
	in_child("new mount namespace", CLONE_NEWNS);
	in_child("new user and mount namespaces", CLONE_NEWUSER | CLONE_NEWNS);
	in_child("new pid namespace for children", CLONE_NEWPID);
	in_child("new mount namespace, and pid namespace for children", CLONE_NEWNS | CLONE_NEWPID);
	in_child("new user, mount and pid namespaces", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
	in_child("descriptors of one's own", CLONE_FILES);
	in_child("directories of one's own", CLONE_FS);
	say("nonsense", unshare(1));
	fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	say("the same mount namespace", setns(fd, 0));
	say("the same mount namespace by its type", setns(fd, CLONE_NEWNS));
	say("the same mount namespace by number", (int)syscall(SYS_setns, fd, CLONE_NEWNS));
	say("a mount namespace as another type", setns(fd, CLONE_NEWNET));
	say("nobody's", setns(-1, 0));
	say("lives on", unshare(CLONE_NEWUSER));
	return getchar() == EOF ? 1 : 0;
}
