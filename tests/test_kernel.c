/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel says is what the C library says while nobody has wrapped it. */
#include "base/kernel.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit.h"

START_TEST(a_raw_call_leaves_errno_and_returns_it_negative)
{
	errno = 12345;
	ck_assert_int_eq(kernel_raw(SYS_close, -1, 0, 0, 0, 0, 0), -EBADF);
	ck_assert_int_eq(errno, 12345);
}
END_TEST

/* Under qemu-user and valgrind, which give no vDSO, the search for the clock is in vain. */
START_TEST(the_first_look_at_the_clock_leaves_errno)
{
	struct timespec time;

	errno = 12345;
	ck_assert_int_eq(kernel_clock_gettime(CLOCK_MONOTONIC, &time), 0);
	ck_assert_int_eq(errno, 12345);
}
END_TEST

START_TEST(a_call_fails_as_the_c_librarys_does)
{
	errno = 0;
	ck_assert_int_eq(kernel_open("/nowhere/at/all", O_RDONLY, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_eq(kernel_mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(kernel_clock_gettime(12345, &(struct timespec){ 0 }), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(who_we_are)
{
	uid_t r, e, s, kr, ke, ks;

	ck_assert_int_eq(kernel_pid(), getpid());
	ck_assert_int_eq(kernel_ppid(), getppid());
	ck_assert_int_eq(kernel_tid(), gettid());
	ck_assert_uint_eq(kernel_uid(), getuid());
	ck_assert_uint_eq(kernel_euid(), geteuid());
	ck_assert_int_eq(getresuid(&r, &e, &s), 0);
	ck_assert_int_eq(kernel_getresuid(&kr, &ke, &ks), 0);
	ck_assert(r == kr && e == ke && s == ks);
}
END_TEST

/* Each clock, between two readings of the C library's. */
START_TEST(what_time_it_is)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_COARSE,
					    CLOCK_PROCESS_CPUTIME_ID };
	struct timespec t[3];

	for (size_t i = 0; i < COUNT(clocks); i++) {
		clock_gettime(clocks[i], &t[0]);
		ck_assert_int_eq(kernel_clock_gettime(clocks[i], &t[1]), 0);
		clock_gettime(clocks[i], &t[2]);
		for (int j = 0; j < 2; j++)
			ck_assert(t[j].tv_sec < t[j + 1].tv_sec ||
				  (t[j].tv_sec == t[j + 1].tv_sec && t[j].tv_nsec <= t[j + 1].tv_nsec));
	}
}
END_TEST

START_TEST(files_and_what_stat_tells_of_them)
{
	char path[] = "/tmp/test_kernel.XXXXXX", text[4] = "";
	struct stat st, by_path, by_libc;
	int fd = mkstemp(path);

	ck_assert_int_eq(kernel_write(fd, "abc", 3), 3);
	ck_assert_int_eq(kernel_lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(kernel_read(fd, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "abc");
	ck_assert_int_eq(kernel_fchmod(fd, 0640), 0);
	ck_assert_int_eq(kernel_fstat(fd, &st), 0);
	ck_assert_int_eq(kernel_stat(path, &by_path), 0);
	ck_assert_int_eq(fstat(fd, &by_libc), 0);
	ck_assert_mem_eq(&st, &by_libc, offsetof(struct stat, st_atim));
	ck_assert_mem_eq(&by_path, &by_libc, offsetof(struct stat, st_atim));
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(kernel_unlink(path), 0);
	ck_assert_int_eq(kernel_fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	ck_assert_int_eq(kernel_close(fd), 0);
}
END_TEST

/* The kernel counts the limit that it is given down; ours stays. */
START_TEST(waiting_ends_at_its_limit_and_leaves_the_limit)
{
	static const struct timespec limit = { .tv_nsec = 2000000 };
	struct timespec given = limit;
	uint64_t before = clock_ns();

	ck_assert_int_eq(kernel_ppoll(NULL, 0, &given, NULL), 0);
	ck_assert_int_eq(kernel_pselect(0, NULL, NULL, NULL, &given, NULL), 0);
	ck_assert_int_eq(kernel_nanosleep(&given, NULL), 0);
	ck_assert_uint_ge(clock_ns() - before, 6 * NS_PER_MS);
	ck_assert_mem_eq(&given, &limit, sizeof(limit));
}
END_TEST

UNIT_SUITE(kernel, a_raw_call_leaves_errno_and_returns_it_negative, the_first_look_at_the_clock_leaves_errno,
	   a_call_fails_as_the_c_librarys_does, who_we_are,
	   what_time_it_is, files_and_what_stat_tells_of_them, waiting_ends_at_its_limit_and_leaves_the_limit)
