/* SPDX-License-Identifier: BSD-2-Clause */
/* host_sandbox WAY CALL: once a line has come, shuts itself up as OpenSSH's children do, where a forbidden system call
   kills the thread that makes it, and so the process, which has no other. CALL: prctl, seccomp (by its number), or number
   (prctl by its number).
   exit: ends by _exit, which may make no other call than that. kill: makes one that is forbidden. refused: fails to
   shut itself up, having asked what there is, and waits for another line. open: its filter lets everything through,
   and it waits for another line. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *call = "prctl";

static int shut_up(const struct sock_fprog *program)
{
	if (strcmp(call, "prctl") == 0)
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
	if (strcmp(call, "number") == 0)
		return (int)syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
}

static int refused(void)
{
	struct sock_fprog empty = { 0 };
	int asked = shut_up(NULL), asked_errno = errno;
	int rc = shut_up(&empty);

	printf("asked %d, errno %d; %d, errno %d\n", asked, asked_errno, rc, errno);
	fflush(stdout);
	return getchar() == EOF ? 0 : 2;
}

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	struct sock_fprog open = { .len = 1, .filter = filter + 2 };

	if (argc < 3 || getchar() == EOF)
		return 2;
	call = argv[2];
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	if (strcmp(argv[1], "refused") == 0)
		return refused();
	if (strcmp(argv[1], "open") == 0 && shut_up(&open))
		return 1;
	printf("shut up\n");
	fflush(stdout);
	if (strcmp(argv[1], "open") == 0)
		return getchar() == EOF ? 0 : 2;
	if (shut_up(&program))
		return 1;
	if (strcmp(argv[1], "kill") == 0)
		getppid();
	_exit(3);
}
