/* SPDX-License-Identifier: BSD-2-Clause */
#include "trial.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inject/system.h"

#define STACK_BYTES 16384
#define FILTER_MODE 2 /* SECCOMP_MODE_FILTER */
#define PAGE 4096     /* asked for where nothing is, or as the least */

static char thread_name[16] = "mtpreload";

const char *trial_thread_name(void)
{
	return thread_name;
}

/* The C library's functions where there are any, so that they are the system calls that it makes of them here. None of
   them does anything: there is no such descriptor, file, protocol or flag, or nothing to be done. */
static int make_each_call(void *unused)
{
	static const struct timespec now;
	struct timespec time;
	struct sysinfo machine;
	struct stat st;
	sigset_t none;
	uid_t ids[3];
	uint32_t rights[2] = { 0 };
	char byte = 0;
	int done = 0; /* some are declared so that their results may not be thrown away */
	void *page;

	(void)unused;
	sigemptyset(&none);
	/* Threads and their time. */
	done += pthread_sigmask(SIG_BLOCK, &none, NULL) == 0;
	done += sigtimedwait(&none, NULL, &now) == 0;
	done += clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0;
	done += nanosleep(&(struct timespec){ .tv_nsec = -1 }, NULL) == 0; /* none at all would take 50 us */
	done += kill(getpid(), 0) == 0;
	syscall(SYS_clone3, NULL, (size_t)0);
	syscall(SYS_futex, &done, 1 /* FUTEX_WAKE */, 0, NULL, NULL, 0);
	syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), 0);
	syscall(SYS_set_robust_list, NULL, (size_t)0);
	/* Who we are. */
	done += getresuid(&ids[0], &ids[1], &ids[2]) == 0;
	done += getresgid(&ids[0], &ids[1], &ids[2]) == 0;
	done += geteuid() == 0;
	done += getppid() == 0;
	syscall(SYS_capget, rights, NULL);
	/* Descriptors: a table of one's own is tried where there is only a copy anyway. */
	syscall(SYS_close_range, ~0u, ~0u, 0u);
	done += unshare(0) == 0;
	done += fcntl(-1, F_GETFD) == 0;
	done += close(-1) == 0;
	done += eventfd(0, ~0) == 0;
	done += signalfd(-1, &none, ~0) == 0;
	done += inotify_init1(~0) == 0;
	done += inotify_add_watch(-1, "", IN_CREATE) == 0;
	done += read(-1, &byte, 1) == 0;
	done += write(-1, &byte, 1) == 0;
	done += lseek(-1, 0, SEEK_SET) == 0;
	done += ppoll(NULL, 0, &now, NULL) == 0;
	done += pselect(0, NULL, NULL, NULL, &now, NULL) == 0;
	/* Files. */
	done += open("", O_RDONLY | O_DIRECTORY | O_CLOEXEC) == 0;
	syscall(SYS_getdents64, -1, &byte, 1);
	done += stat("", &st) == 0;
	done += fstat(-1, &st) == 0;
	done += fstatat(-1, "", &st, AT_SYMLINK_NOFOLLOW) == 0;
	done += readlink("", &byte, 1) == 0;
	done += mkdir("", 0700) == 0;
	done += rmdir("") == 0;
	done += unlink("") == 0;
	done += unlinkat(-1, "", 0) == 0;
	done += renameat(-1, "", -1, "") == 0;
	done += fchmod(-1, 0600) == 0;
	done += fchmodat(-1, "", 0600, 0) == 0;
	/* Sockets. */
	done += socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, ~0) == 0;
	done += bind(-1, NULL, 0) == 0;
	done += listen(-1, 1) == 0;
	done += connect(-1, NULL, 0) == 0;
	done += accept4(-1, NULL, NULL, SOCK_CLOEXEC) == 0;
	done += getsockopt(-1, SOL_SOCKET, SO_PEERCRED, NULL, NULL) == 0;
	done += recv(-1, &byte, 1, MSG_DONTWAIT) == 0;
	done += send(-1, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 0;
	/* Memory. */
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		done += mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0;
		done += madvise(page, PAGE, MADV_DONTNEED) == 0;
		done += mremap(page, PAGE, PAGE, 0) == page;
		done += munmap(page, PAGE) == 0;
	}
	done += sysinfo(&machine) == 0;
	return done < 0;
}

bool trial_is_passed(void)
{
	_Alignas(16) char stack[STACK_BYTES];
	uint16_t filters; /* the kernel has room for fewer */
	int status = 1;
	pid_t pid;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != FILTER_MODE)
		return true;
	/* Without a signal at its end, for which the program might wait. It has our memory, and we rest meanwhile. */
	pid = clone(make_each_call, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, NULL);
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status != 0)
		return false;
	filters = (uint16_t)system_field("/proc/thread-self/status", "Seccomp_filters:");
	snprintf(thread_name, sizeof(thread_name), "mtpreload:%" PRIu16, filters ? filters : (uint16_t)1);
	return true;
}
