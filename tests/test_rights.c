/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a thread still has what was noted. */
#include "control/rights.h"

#include <errno.h>
#include <sys/prctl.h>

#include "tests/unit.h"

START_TEST(what_a_thread_alone_changes_is_seen)
{
	rights_note();
	ck_assert(rights_are_noted());
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	errno = 77;
	ck_assert(!rights_are_noted());
	ck_assert_int_eq(errno, 77);
	ck_assert_int_eq(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), 0);
	ck_assert(rights_are_noted());
}
END_TEST

UNIT_SUITE(rights, what_a_thread_alone_changes_is_seen)
