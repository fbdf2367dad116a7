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

static const char *const names[] = {
#define FAMILY(traits, give, result, name, parameters, arguments) #name,
#include "host/family.def"
};

static void read_slots(void *slots[COUNT(names)])
{
	_Static_assert(sizeof(struct heap) == sizeof(slots[0]) * COUNT(names), "a name each");

	memcpy(slots, &real, sizeof(real));
}

START_TEST(resolving_again_changes_nothing_and_keeps_errno)
{
	struct heap before = real;

	errno = EXDEV;
	for (int i = 0; i < 3; i++)
		ck_assert(real_resolve());
	real_begin();
	real_settle();
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_mem_eq(&real, &before, sizeof(real));
}
END_TEST

START_TEST(real_is_the_allocator_that_this_program_uses)
{
	void *slots[COUNT(names)];

	read_slots(slots);
	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(slots[i] && slots[i] == dlsym(RTLD_DEFAULT, names[i]), "%s", names[i]);
}
END_TEST

START_TEST(we_are_not_in_the_path_here)
{
	void *slots[COUNT(names)];
	Dl_info info;

	read_slots(slots);
	ck_assert(!real_in_path());
	ck_assert_int_ne(dladdr(slots[0], &info), 0);
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
	   real_is_the_allocator_that_this_program_uses, we_are_not_in_the_path_here,
	   bootstrap_arena_is_not_needed_here)
