/* SPDX-License-Identifier: BSD-2-Clause */
#include "trial.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/kernel.h"
#include "inject/system.h"

#define STACK_BYTES 16384
#define FILTER_MODE 2 /* SECCOMP_MODE_FILTER */
#define PAGE 4096     /* or less than one */

static char thread_name[16] = "mtpreload";
static uint16_t tried; /* filters, when the program began; the kernel has room for fewer */

const char *trial_thread_name(void)
{
	return thread_name;
}

/* Below are the functions that we use, so that they are the system calls that those make here.
   None of them does anything: there is no such descriptor, file, protocol or flag, or nothing to be done. Their results
   are added up since those of some may not be thrown away. */

static int try_time_and_threads(void)
{
	static const struct timespec never = { .tv_nsec = -1 }; /* to sleep for no time at all would take 50 us */
	struct timespec time;
	sigset_t none;
	int word = 0;

	sigemptyset(&none);
	kernel_syscall(SYS_clone3, NULL, (size_t)0);
	kernel_syscall(SYS_futex, &word, 1 /* FUTEX_WAKE */, 0, NULL, NULL, 0);
	kernel_sched_yield();
	kernel_tgkill(kernel_pid(), kernel_tid(), 0);
	kernel_syscall(SYS_set_robust_list, NULL, (size_t)0);
	kernel_syscall(SYS_membarrier, 0 /* what it can do */, 0, 0);
	kernel_syscall(SYS_rt_tgsigqueueinfo, 0, 0, 0, NULL);
	kernel_syscall(SYS_rt_sigaction, ~0, NULL, NULL, KERNEL_SIGSET_BYTES);
	kernel_syscall(SYS_timer_create, ~0, NULL, NULL);
	kernel_syscall(SYS_timer_settime, ~0, 0, NULL, NULL);
	kernel_syscall(SYS_timer_delete, ~0);
	return kernel_kill(kernel_pid(), 0) + pthread_sigmask(SIG_BLOCK, &none, NULL) +
	       kernel_clock_gettime(CLOCK_MONOTONIC, &time) + kernel_nanosleep(&never, NULL);
}

static int try_rights_and_figures(void)
{
	uint32_t capabilities[2] = { 0 };
	struct sysinfo machine;
	uid_t ids[3];

	kernel_syscall(SYS_capget, capabilities, NULL);
	kernel_syscall(SYS_prlimit64, 0, 0, NULL, NULL);
	kernel_getrandom(NULL, (size_t)0, 0);
	return kernel_getresuid(&ids[0], &ids[1], &ids[2]) + kernel_getresgid(&ids[0], &ids[1], &ids[2]) +
	       kernel_getgroups(0, NULL) + (int)kernel_uid() + (int)kernel_euid() + (int)kernel_ppid() + sysinfo(&machine);
}

/* A table of one's own is there already, if only as a copy. */
static int try_descriptors(void)
{
	static const struct timespec now;
	char byte = 0;

	kernel_close_range(~0u, ~0u, 0u);
	return kernel_unshare(0) + kernel_fcntl(-1, F_GETFD, 0) + kernel_close(-1) + kernel_eventfd(0, ~0) +
	       kernel_inotify_init1(~0) + kernel_inotify_add_watch(-1, "", IN_CREATE) +
	       (int)kernel_read(-1, &byte, 1) + (int)kernel_write(-1, &byte, 1) + (int)kernel_lseek(-1, 0, SEEK_SET) + kernel_ppoll(NULL, 0, &now, NULL) +
	       kernel_pselect(0, NULL, NULL, NULL, &now, NULL);
}

static int try_files(void)
{
	struct stat st;
	char byte = 0;

	kernel_getdents64(-1, &byte, 1);
	return kernel_open("", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) + kernel_openat(-1, "", O_PATH, 0) + kernel_stat("", &st) + kernel_fstat(-1, &st) +
	       kernel_fstatat(-1, "", &st, AT_SYMLINK_NOFOLLOW) + (int)kernel_readlink("", &byte, 1) +
	       kernel_mkdir("", 0700) + kernel_rmdir("") + kernel_unlink("") + kernel_unlinkat(-1, "", 0) +
	       kernel_renameat2(-1, "", -1, "", 0) + kernel_linkat(-1, "", -1, "", 0) +
	       kernel_flock(-1, LOCK_EX | LOCK_NB) + kernel_fchmod(-1, 0600) + kernel_fchmodat(-1, "", 0600);
}

static int try_sockets(void)
{
	char byte = 0;

	return kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, ~0) + kernel_bind(-1, NULL, 0) +
	       kernel_listen(-1, 1) + kernel_connect(-1, NULL, 0) + kernel_accept4(-1, NULL, NULL, SOCK_CLOEXEC) +
	       kernel_getsockopt(-1, SOL_SOCKET, SO_PEERCRED, NULL, NULL) + kernel_getsockname(-1, NULL, NULL) + (int)kernel_recv(-1, &byte, 1, MSG_DONTWAIT) +
	       (int)kernel_send(-1, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int try_memory(void)
{
	void *page = kernel_mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 0;
	return kernel_munlock(page, PAGE) + kernel_mprotect(page, PAGE, PROT_READ | PROT_WRITE) +
	       kernel_madvise(page, PAGE, MADV_DONTNEED) + (kernel_mremap(page, PAGE, PAGE, 0) == page) + kernel_munmap(page, PAGE);
}

static int try_each_call(void *result)
{
	*(int *)result = try_time_and_threads() + try_rights_and_figures() + try_descriptors() + try_files() +
			 try_sockets() + try_memory();
	return 0;
}

static uint16_t filters_in_force(void)
{
	return (uint16_t)system_field("/proc/thread-self/status", "Seccomp_filters:");
}

bool trial_is_passed(void)
{
	_Alignas(16) char stack[STACK_BYTES];
	int unused, status = 1;
	pid_t pid;

	if (kernel_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != FILTER_MODE)
		return true;
	/* Without a signal at its end, for which the program might wait. It has our memory, and we rest meanwhile. */
	pid = clone(try_each_call, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, &unused);
	if (pid < 0 || kernel_waitpid(pid, &status, __WALL) != pid || status != 0)
		return false;
	tried = filters_in_force();
	snprintf(thread_name, sizeof(thread_name), "mtpreload:%" PRIu16, tried ? tried : (uint16_t)1);
	return true;
}

/* Linux tells the number since 5.9: where it does not, nobody knows. */
bool trial_covers_us(void)
{
	if (kernel_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != FILTER_MODE)
		return true;
	return tried && filters_in_force() == tried;
}
