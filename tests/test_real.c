/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the allocator: this program is no preloaded library, so its calls do not pass through us. */
#include "host/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "host/boot.h"
#include "tests/unit.h"

static void *address_of(void *(*function)(size_t))
{
	void *at;

	memcpy(&at, &function, sizeof(at));
	return at;
}

START_TEST(resolving_again_changes_nothing_and_keeps_errno)
{
	struct heap before = real;

	errno = EXDEV;
	for (int i = 0; i < 3; i++)
		ck_assert(real_resolve());
	real_settle();
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_mem_eq(&real, &before, sizeof(real));
}
END_TEST

START_TEST(real_is_the_allocator_that_this_program_uses)
{
	ck_assert_ptr_eq(address_of(real.malloc), dlsym(RTLD_DEFAULT, "malloc"));
	ck_assert_ptr_eq(address_of(real.valloc), dlsym(RTLD_DEFAULT, "valloc"));
}
END_TEST

START_TEST(every_function_of_the_family_is_found)
{
	void *slots[sizeof(struct heap) / sizeof(void *)];

	memcpy(slots, &real, sizeof(real));
	for (size_t i = 0; i < COUNT(slots); i++)
		ck_assert_ptr_nonnull(slots[i]);
}
END_TEST

START_TEST(we_are_not_in_the_path_here)
{
	Dl_info info;

	ck_assert(!real_in_path());
	ck_assert_int_ne(dladdr(address_of(real.malloc), &info), 0);
	ck_assert_str_eq(real_allocator(), strrchr(info.dli_fname, '/') + 1);
}
END_TEST

START_TEST(bootstrap_arena_is_not_needed_here)
{
	ck_assert(!boot_used());
	ck_assert(!boot_owns(NULL));
	ck_assert(!boot_owns(&real));
}
END_TEST

UNIT_SUITE(real, resolving_again_changes_nothing_and_keeps_errno,
	   real_is_the_allocator_that_this_program_uses, every_function_of_the_family_is_found,
	   we_are_not_in_the_path_here, bootstrap_arena_is_not_needed_here)
