/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions found in one loaded object, compared with what dlsym says. */
#include "host/object.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit.h"

/* A function that no sanitizer has a version of its own of. */
#define C_LIBRARYS "gnu_get_libc_version"

static struct object object_with(const char *function)
{
	struct object o;

	ck_assert_msg(object_of(dlsym(RTLD_DEFAULT, function), &o), "%s", function);
	return o;
}

START_TEST(what_an_object_defines_is_found)
{
	static const char *const names[] = { C_LIBRARYS, "sethostname", "mount", "getopt_long",
					     "nl_langinfo", "inotify_rm_watch", "envz_add", "tdelete" };
	struct object c_library = object_with(C_LIBRARYS);

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(object_function(&c_library, names[i]) == dlsym(RTLD_DEFAULT, names[i]),
			      "%s", names[i]);
}
END_TEST

START_TEST(what_it_does_not_define_is_not)
{
	struct object c_library = object_with(C_LIBRARYS);

	ck_assert_ptr_null(object_function(&c_library, C_LIBRARYS "s"));
	ck_assert_ptr_null(object_function(&c_library, ""));
	/* A name in its table all the same, of what it needs from the loader. */
	ck_assert_ptr_null(object_function(&c_library, "__tls_get_addr"));
	/* An object, not a function. */
	ck_assert_ptr_null(object_function(&c_library, "environ"));
}
END_TEST

START_TEST(an_address_of_no_object_has_none)
{
	struct object o;
	int on_the_stack = 0;

	ck_assert(!object_of(&on_the_stack, &o));
	ck_assert(!object_of(NULL, &o));
	ck_assert(!object_of((void *)UINTPTR_MAX, &o));
}
END_TEST

/* This program comes first, then what it needs, in the order of the search. */
START_TEST(the_first_definition_is_the_one_that_all_find)
{
	struct object first, again;

	ck_assert_ptr_eq(object_first(C_LIBRARYS, OBJECT_NO_PLACE, &first), dlsym(RTLD_DEFAULT, C_LIBRARYS));
	ck_assert(object_of(dlsym(RTLD_DEFAULT, C_LIBRARYS), &again));
	ck_assert_uint_eq(first.place, again.place);
	ck_assert_str_eq(first.name, again.name);
	ck_assert_uint_gt(first.place, 0);
	ck_assert_ptr_null(object_first(C_LIBRARYS, first.place, &again));
	ck_assert_ptr_null(object_first(C_LIBRARYS "s", OBJECT_NO_PLACE, &again));
	ck_assert_uint_eq(object_our_place(), OBJECT_NO_PLACE);
}
END_TEST

UNIT_SUITE(object, the_first_definition_is_the_one_that_all_find, what_an_object_defines_is_found, what_it_does_not_define_is_not,
	   an_address_of_no_object_has_none)
