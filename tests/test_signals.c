/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/unit.h"

static sigjmp_buf way_back;
static volatile sig_atomic_t handled;

static void go_back(int number)
{
	handled = number;
	siglongjmp(way_back, 1);
}

static uint64_t mask(void)
{
	uint64_t now = 0;

	kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, sizeof(now));
	return now;
}

/* With it blocked the kernel would end the process. */
START_TEST(a_thread_s_own_fault_reaches_the_handler_of_the_host)
{
	struct sigaction action = { .sa_handler = go_back }, before;
	volatile char *closed = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t was;

	ck_assert_int_eq(sigaction(SIGSEGV, &action, &before), 0);
	was = signals_block();
	if (!sigsetjmp(way_back, 0))
		*closed = 1;
	signals_restore(was);
	ck_assert_int_eq(handled, SIGSEGV);
	ck_assert_int_eq(sigaction(SIGSEGV, &before, NULL), 0);
	ck_assert_int_eq(munmap((void *)closed, 4096), 0);
}
END_TEST

START_TEST(handlers_wait_until_signals_are_restored)
{
	struct sigaction action = { .sa_handler = go_back }, before;
	uint64_t was;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
	handled = 0;
	was = signals_block();
	raise(SIGUSR1);
	ck_assert_int_eq(handled, 0);
	if (!sigsetjmp(way_back, 1))
		signals_restore(was);
	ck_assert_int_eq(handled, SIGUSR1);
	signals_restore(was);
	ck_assert_uint_eq(mask(), was);
	ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}
END_TEST

START_TEST(a_thread_of_ours_begins_with_all_but_the_c_library_s_blocked)
{
	uint64_t was = signals_block_all(), now = mask();

	signals_restore(was);
	ck_assert(now & SIGNALS_BIT(SIGSEGV) && now & SIGNALS_BIT(SIGCHLD) && now & SIGNALS_BIT(SIGUSR1));
	ck_assert(!(now & SIGNALS_BIT(SIGNALS_FIRST_INTERNAL + 1)));
}
END_TEST

UNIT_SUITE(signals, a_thread_s_own_fault_reaches_the_handler_of_the_host, handlers_wait_until_signals_are_restored,
	   a_thread_of_ours_begins_with_all_but_the_c_library_s_blocked)
