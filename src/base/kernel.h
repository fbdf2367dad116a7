/* SPDX-License-Identifier: BSD-2-Clause */
/* What we ask about ourselves we ask the kernel. kernel_NAME does what the C library's NAME does, errno and all, but no
   other preloaded library can come between (fakeroot, libfaketime, libuid_wrapper, libsocket_wrapper, libfiu wrap the C
   library's). None is a cancellation point, none allocates. Any thread. */
#ifndef MT_BASE_KERNEL_H
#define MT_BASE_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

/* A system call as the processor makes it: its result, or -errno. errno stays as it is. */
#ifdef __clang_analyzer__
/* The analyzer does not see what an instruction writes to; of an unknown function it assumes the worst. */
long kernel_raw(long number, long a, long b, long c, long d, long e, long f);
#else
static inline long kernel_raw(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__) && defined(__LP64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__) && defined(__LP64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "mtpreload knows the system calls of x86-64 and aarch64 only: another processor needs its own here"
#endif
}
#endif

#define KERNEL_LAST_ERRNO 4095ul

static inline long kernel_result(long raw)
{
	if ((unsigned long)raw < -KERNEL_LAST_ERRNO)
		return raw;
	errno = (int)-raw;
	return -1;
}

/* Like syscall(2), with up to six arguments. */
#define kernel_syscall(...) KERNEL_SYSCALL(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define KERNEL_SYSCALL(number, a, b, c, d, e, f, ...) \
	kernel_result(kernel_raw((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

/* Of the kernel's signal set, which is smaller than the C library's. */
#define KERNEL_SIGSET_BYTES ((size_t)8)

/* Who we are. */

static inline pid_t kernel_pid(void)
{
	return (pid_t)kernel_syscall(SYS_getpid);
}

static inline pid_t kernel_ppid(void)
{
	return (pid_t)kernel_syscall(SYS_getppid);
}

static inline pid_t kernel_tid(void)
{
	return (pid_t)kernel_syscall(SYS_gettid);
}

static inline uid_t kernel_uid(void)
{
	return (uid_t)kernel_syscall(SYS_getuid);
}

static inline uid_t kernel_euid(void)
{
	return (uid_t)kernel_syscall(SYS_geteuid);
}

static inline int kernel_getresuid(uid_t *uid, uid_t *effective, uid_t *saved)
{
	return (int)kernel_syscall(SYS_getresuid, uid, effective, saved);
}

static inline int kernel_getresgid(gid_t *gid, gid_t *effective, gid_t *saved)
{
	return (int)kernel_syscall(SYS_getresgid, gid, effective, saved);
}

static inline int kernel_getgroups(int most, gid_t *groups)
{
	return (int)kernel_syscall(SYS_getgroups, most, groups);
}

/* Time. By the vDSO, so it costs what the C library's costs. */

int kernel_clock_gettime(clockid_t clock, struct timespec *time);

static inline time_t kernel_time(void)
{
	struct timespec now;

	kernel_clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static inline int kernel_nanosleep(const struct timespec *time, struct timespec *left)
{
	return (int)kernel_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, time, left);
}

static inline void kernel_sched_yield(void)
{
	(void)kernel_syscall(SYS_sched_yield); /* never fails */
}

/* Threads and signals. Masks are the C library's business: it has signals of its own. */

static inline int kernel_kill(pid_t pid, int number)
{
	return (int)kernel_syscall(SYS_kill, pid, number);
}

static inline int kernel_tgkill(pid_t pid, pid_t tid, int number)
{
	return (int)kernel_syscall(SYS_tgkill, pid, tid, number);
}

static inline pid_t kernel_waitpid(pid_t pid, int *status, int options)
{
	return (pid_t)kernel_syscall(SYS_wait4, pid, status, options, NULL);
}

/* As many arguments as the option takes; the others are 0. */
#define kernel_prctl(...) kernel_syscall(SYS_prctl, __VA_ARGS__)

static inline int kernel_unshare(int flags)
{
	return (int)kernel_syscall(SYS_unshare, flags);
}

static inline ssize_t kernel_getrandom(void *out, size_t bytes, unsigned flags)
{
	return kernel_syscall(SYS_getrandom, out, bytes, flags);
}

/* Descriptors. */

/* The mode counts where a file is made. */
static inline int kernel_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
	return (int)kernel_syscall(SYS_openat, dir_fd, path, flags, mode);
}

static inline int kernel_open(const char *path, int flags, mode_t mode)
{
	return kernel_openat(AT_FDCWD, path, flags, mode);
}

static inline int kernel_close(int fd)
{
	return (int)kernel_syscall(SYS_close, fd);
}

static inline int kernel_close_range(unsigned first, unsigned last, unsigned flags)
{
#ifdef SYS_close_range
	return (int)kernel_syscall(SYS_close_range, first, last, flags);
#else
	return (int)kernel_syscall(436, first, last, flags);
#endif
}

static inline int kernel_fcntl(int fd, int command, long argument)
{
	return (int)kernel_syscall(SYS_fcntl, fd, command, argument);
}

static inline ssize_t kernel_read(int fd, void *out, size_t bytes)
{
	return kernel_syscall(SYS_read, fd, out, bytes);
}

static inline ssize_t kernel_write(int fd, const void *data, size_t bytes)
{
	return kernel_syscall(SYS_write, fd, data, bytes);
}

static inline off_t kernel_lseek(int fd, off_t offset, int whence)
{
	return kernel_syscall(SYS_lseek, fd, offset, whence);
}

static inline int kernel_eventfd(unsigned start, int flags)
{
	return (int)kernel_syscall(SYS_eventfd2, start, flags);
}

static inline int kernel_inotify_init1(int flags)
{
	return (int)kernel_syscall(SYS_inotify_init1, flags);
}

static inline int kernel_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	return (int)kernel_syscall(SYS_inotify_add_watch, fd, path, mask);
}

/* The kernel writes what is left into its copy of the limit. */
static inline int kernel_ppoll(struct pollfd *polled, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
	struct timespec left = limit ? *limit : (struct timespec){ 0 };

	return (int)kernel_syscall(SYS_ppoll, polled, count, limit ? &left : NULL, mask, KERNEL_SIGSET_BYTES);
}

static inline int kernel_pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *limit,
				 const sigset_t *mask)
{
	struct timespec left = limit ? *limit : (struct timespec){ 0 };
	struct {
		const sigset_t *mask;
		size_t bytes;
	} masked = { mask, KERNEL_SIGSET_BYTES };

	return (int)kernel_syscall(SYS_pselect6, count, in, out, except, limit ? &left : NULL, &masked);
}

/* Files. */

static inline int kernel_fstat(int fd, struct stat *st)
{
	return (int)kernel_syscall(SYS_fstat, fd, st);
}

static inline int kernel_fstatat(int dir_fd, const char *path, struct stat *st, int flags)
{
	return (int)kernel_syscall(SYS_newfstatat, dir_fd, path, st, flags);
}

static inline int kernel_stat(const char *path, struct stat *st)
{
	return kernel_fstatat(AT_FDCWD, path, st, 0);
}

static inline ssize_t kernel_readlink(const char *path, char *out, size_t bytes)
{
	return kernel_syscall(SYS_readlinkat, AT_FDCWD, path, out, bytes);
}

static inline ssize_t kernel_getdents64(int fd, void *out, size_t bytes)
{
	return kernel_syscall(SYS_getdents64, fd, out, bytes);
}

static inline int kernel_unlinkat(int dir_fd, const char *path, int flags)
{
	return (int)kernel_syscall(SYS_unlinkat, dir_fd, path, flags);
}

static inline int kernel_unlink(const char *path)
{
	return kernel_unlinkat(AT_FDCWD, path, 0);
}

static inline int kernel_rmdir(const char *path)
{
	return kernel_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static inline int kernel_mkdir(const char *path, mode_t mode)
{
	return (int)kernel_syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

static inline int kernel_flock(int fd, int operation)
{
	return (int)kernel_syscall(SYS_flock, fd, operation);
}

static inline int kernel_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)kernel_syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static inline int kernel_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return (int)kernel_syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

static inline int kernel_fchmod(int fd, mode_t mode)
{
	return (int)kernel_syscall(SYS_fchmod, fd, mode);
}

/* Follows links: the call has no flags. */
static inline int kernel_fchmodat(int dir_fd, const char *path, mode_t mode)
{
	return (int)kernel_syscall(SYS_fchmodat, dir_fd, path, mode);
}

/* Sockets. */

static inline int kernel_socket(int family, int type, int protocol)
{
	return (int)kernel_syscall(SYS_socket, family, type, protocol);
}

static inline int kernel_bind(int fd, const void *address, socklen_t bytes)
{
	return (int)kernel_syscall(SYS_bind, fd, address, bytes);
}

static inline int kernel_listen(int fd, int backlog)
{
	return (int)kernel_syscall(SYS_listen, fd, backlog);
}

static inline int kernel_connect(int fd, const void *address, socklen_t bytes)
{
	return (int)kernel_syscall(SYS_connect, fd, address, bytes);
}

static inline int kernel_accept4(int fd, void *address, socklen_t *bytes, int flags)
{
	return (int)kernel_syscall(SYS_accept4, fd, address, bytes, flags);
}

static inline int kernel_getsockopt(int fd, int level, int option, void *out, socklen_t *bytes)
{
	return (int)kernel_syscall(SYS_getsockopt, fd, level, option, out, bytes);
}

static inline int kernel_getsockname(int fd, void *address, socklen_t *bytes)
{
	return (int)kernel_syscall(SYS_getsockname, fd, address, bytes);
}

static inline ssize_t kernel_recv(int fd, void *out, size_t bytes, int flags)
{
	return kernel_syscall(SYS_recvfrom, fd, out, bytes, flags, NULL, NULL);
}

static inline ssize_t kernel_send(int fd, const void *data, size_t bytes, int flags)
{
	return kernel_syscall(SYS_sendto, fd, data, bytes, flags, NULL, 0);
}

/* Memory. */

static inline void *kernel_mmap(void *at, size_t bytes, int rights, int flags, int fd, off_t offset)
{
	return (void *)kernel_syscall(SYS_mmap, at, bytes, rights, flags, fd, offset);
}

static inline int kernel_munmap(void *at, size_t bytes)
{
	return (int)kernel_syscall(SYS_munmap, at, bytes);
}

static inline void *kernel_mremap(void *at, size_t bytes, size_t new_bytes, int flags)
{
	return (void *)kernel_syscall(SYS_mremap, at, bytes, new_bytes, flags);
}

static inline int kernel_mprotect(void *at, size_t bytes, int rights)
{
	return (int)kernel_syscall(SYS_mprotect, at, bytes, rights);
}

static inline int kernel_munlock(void *at, size_t bytes)
{
	return (int)kernel_syscall(SYS_munlock, at, bytes);
}

static inline int kernel_madvise(void *at, size_t bytes, int advice)
{
	return (int)kernel_syscall(SYS_madvise, at, bytes, advice);
}

#endif
