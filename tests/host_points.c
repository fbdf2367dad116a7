/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints all about itself at each point where a second thread of the process would be stopped or started: after fork,
   in child and parent, and around calls that a process makes when it changes its rights, its namespaces, its root,
   or shuts itself up. Each is made in a child of its own: its state is printed at the child's beginning, after a
   line has come for "ready PID", right after the call, after another line, and in a child of that one. */
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/state.h"

#define NOBODY 65534

static int plain_fork(void)
{
	return 0;
}

static int unshare_uts(void)
{
	return unshare(CLONE_NEWUTS);
}

static int unshare_mounts(void)
{
	return unshare(CLONE_NEWNS);
}

static int unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static int unshare_pids(void)
{
	return unshare(CLONE_NEWPID);
}

static int unshare_files(void)
{
	return unshare(CLONE_FILES | CLONE_FS);
}

static int unshare_nonsense(void)
{
	return unshare(1);
}

static int enter(int type)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	int rc;

	errno = 77;
	rc = setns(fd, type);
	close(fd);
	return rc;
}

static int setns_same(void)
{
	return enter(CLONE_NEWUTS);
}

static int setns_refused(void)
{
	return enter(CLONE_NEWNS);
}

static int no_groups(void)
{
	return setgroups(0, NULL);
}

static int other_group(void)
{
	return setresgid(NOBODY, NOBODY, NOBODY);
}

static int other_user(void)
{
	return setresuid(NOBODY, NOBODY, NOBODY);
}

/* With rights that only this thread has, so that another would be in the way. */
static int other_user_with_capabilities(void)
{
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	return setresuid(NOBODY, NOBODY, NOBODY);
}

static int root_again(void)
{
	(void)!setresuid(NOBODY, NOBODY, NOBODY);
	errno = 77;
	return setuid(0);
}

static int filter(struct sock_filter *steps, unsigned short count)
{
	struct sock_fprog program = { .len = count, .filter = steps };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int filter_refused(void)
{
	return filter(NULL, 0);
}

static int filter_refused_by_syscall(void)
{
	struct sock_fprog program = { 0 };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int filter_accepted(void)
{
	struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	return filter(all, 1);
}

/* Into the working directory, which is empty. */
static int empty_root(void)
{
	return chroot(".") || chdir("/");
}

static int become_daemon(void)
{
	return daemon(0, 1);
}

/* `alone`: from then on there is nothing of anybody's in it that could be waited for. */
static const struct point {
	const char *name;
	int (*call)(void);
	int alone;
} points[] = {
	{ "fork", plain_fork, 0 },
	{ "unshare(CLONE_NEWUTS)", unshare_uts, 0 },
	{ "unshare(CLONE_NEWNS)", unshare_mounts, 0 },
	{ "unshare(CLONE_NEWUSER)", unshare_user, 0 },
	{ "unshare(CLONE_NEWPID)", unshare_pids, 0 },
	{ "unshare(CLONE_FILES | CLONE_FS)", unshare_files, 0 },
	{ "unshare, refused", unshare_nonsense, 0 },
	{ "setns", setns_same, 0 },
	{ "setns, refused", setns_refused, 0 },
	{ "setgroups", no_groups, 0 },
	{ "setresgid", other_group, 0 },
	{ "setresuid", other_user, 0 },
	{ "setresuid, capabilities kept", other_user_with_capabilities, 0 },
	{ "setuid, refused", root_again, 0 },
	{ "a filter by prctl, refused", filter_refused, 0 },
	{ "a filter by syscall, refused", filter_refused_by_syscall, 0 },
	{ "a filter, accepted", filter_accepted, 1 },
	{ "chroot, chdir", empty_root, 0 },
	{ "daemon", become_daemon, 0 },
};

static void state_of(const char *name, const char *when)
{
	printf("== %s, %s: errno %d\n", name, when, errno);
	print_state();
}

/* By read: a child would have a copy of what a stream has read ahead. */
static void wait_for_line(void)
{
	char c = 0;

	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (c != '\n')
		if (read(STDIN_FILENO, &c, 1) != 1)
			_exit(2);
}

/* The state of who has forked, once its children have printed theirs; orphans are waited for, too. */
static void parent_state_of(const char *name, pid_t pid)
{
	int forked_errno = errno, ended = 0, failed = 0, status;

	while (wait(&status) > 0) {
		ended++;
		failed += status != 0;
	}
	printf("== %s: child %s, %d ended, %d failed\n", name, pid > 0 ? "forked" : "refused", ended, failed);
	errno = forked_errno;
	state_of(name, "in the parent");
}

static void in_child_of_it(const char *name)
{
	errno = 77;
	pid_t pid = fork();

	if (pid == 0) {
		state_of(name, "in a child of it");
		_exit(0);
	}
	parent_state_of(name, pid);
}

static void at_point(const struct point *point)
{
	int rc;

	state_of(point->name, "a child's beginning");
	wait_for_line();
	state_of(point->name, "before");
	errno = 77;
	rc = point->call();
	printf("%s: %d\n", point->name, rc);
	state_of(point->name, "right after");
	if (!point->alone)
		wait_for_line();
	state_of(point->name, "later");
	in_child_of_it(point->name);
	_exit(0);
}

static void nothing(int unused)
{
	(void)unused;
}

/* So that there is something to be changed. */
static void be_special(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR2, nothing);
	umask(027);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int main(void)
{
	be_special();
	state_of("start", "at once");
	wait_for_line();
	state_of("start", "later");
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		errno = 77;
		pid_t pid = fork();

		if (pid == 0)
			at_point(&points[i]);
		parent_state_of(points[i].name, pid);
	}
	return 7;
}
