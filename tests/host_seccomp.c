/* SPDX-License-Identifier: BSD-2-Clause */
/* host_seccomp WHAT [CALL]: forbids itself some system calls and executes itself again, so that the library starts
   under the filter: table (a descriptor table of one's own), threads, sockets, namespaces (as Docker does by default),
   extras; or with kill, one whose maker is killed. Waits for a line. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(number, error) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define LOAD BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int install(struct sock_filter *filter, unsigned short count)
{
	struct sock_fprog program = { .len = count, .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* None of these is made by a program such as this, or by the loader. */
static const struct {
	const char *name;
	unsigned number;
} unusual[] = {
	{ "socket", SYS_socket },
	{ "bind", SYS_bind },
	{ "listen", SYS_listen },
	{ "accept4", SYS_accept4 },
	{ "close_range", SYS_close_range },
	{ "timer_create", SYS_timer_create },
	{ "clone3", SYS_clone3 },
	{ "capget", SYS_capget },
	{ "rt_sigprocmask", SYS_rt_sigprocmask },
	{ "renameat2", SYS_renameat2 },
	{ "linkat", SYS_linkat },
	{ "mkdirat", SYS_mkdirat },
	{ "readlinkat", SYS_readlinkat },
	{ "fchmod", SYS_fchmod },
	{ "getdents64", SYS_getdents64 },
	{ "inotify_init1", SYS_inotify_init1 },
	{ "recvfrom", SYS_recvfrom },
	{ "mremap", SYS_mremap },
};

static int kill_for(const char *name)
{
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++) {
		struct sock_filter filter[] = {
			LOAD,
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, unusual[i].number, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
			ALLOW,
		};

		if (strcmp(name, unusual[i].name) == 0)
			return install(filter, sizeof(filter) / sizeof(filter[0]));
	}
	return -1;
}

static int forbid(const char *what)
{
	struct sock_filter table[] = { LOAD, REFUSE(SYS_close_range, EPERM),
				       REFUSE(SYS_unshare, EPERM), ALLOW };
	struct sock_filter threads[] = { LOAD, REFUSE(SYS_clone3, ENOSYS), REFUSE(SYS_clone, EPERM),
					 ALLOW };
	struct sock_filter sockets[] = { LOAD, REFUSE(SYS_socket, EAFNOSUPPORT), ALLOW };
	struct sock_filter namespaces[] = { LOAD, REFUSE(SYS_unshare, EPERM), REFUSE(SYS_setns, EPERM),
					    ALLOW };
	struct sock_filter extras[] = { LOAD, REFUSE(SYS_timer_create, EPERM), REFUSE(SYS_prctl, EPERM),
					REFUSE(SYS_close_range, ENOSYS), ALLOW };

	struct sock_filter rename[] = { LOAD, REFUSE(SYS_renameat2, EINVAL), ALLOW }; /* as a file system may */

	if (strcmp(what, "rename") == 0)
		return install(rename, sizeof(rename) / sizeof(rename[0]));
	if (strcmp(what, "table") == 0)
		return install(table, sizeof(table) / sizeof(table[0]));
	if (strcmp(what, "threads") == 0)
		return install(threads, sizeof(threads) / sizeof(threads[0]));
	if (strcmp(what, "sockets") == 0)
		return install(sockets, sizeof(sockets) / sizeof(sockets[0]));
	if (strcmp(what, "namespaces") == 0)
		return install(namespaces, sizeof(namespaces) / sizeof(namespaces[0]));
	return install(extras, sizeof(extras) / sizeof(extras[0]));
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		if (strcmp(argv[1], "kill") == 0 && argc > 2 ? kill_for(argv[2]) : forbid(argv[1])) {
			perror("seccomp");
			return 1;
		}
		execl("/proc/self/exe", argv[0], (char *)NULL);
		perror("exec");
		return 1;
	}
	free(realloc(malloc(10), 100000));
	printf("runs\n");
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
