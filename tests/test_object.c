/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions found in one loaded object, compared with what dlsym says. */
#include "host/object.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit.h"

/* Not the object that dlsym would look in first: sanitizers have some of these functions too. */
static void *c_library_handle(void)
{
	void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

	ck_assert_ptr_nonnull(handle);
	return handle;
}

static struct object c_library(void)
{
	struct object o;

	ck_assert(object_of(dlsym(c_library_handle(), "gnu_get_libc_version"), &o));
	return o;
}

START_TEST(what_an_object_defines_is_found)
{
	static const char *const names[] = { "qsort", "getenv", "strtoull", "posix_spawn", "mount",
					     "getopt_long", "nl_langinfo", "wcstombs", "inotify_init" };
	struct object o = c_library();
	void *handle = c_library_handle();

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(object_function(&o, names[i]) == dlsym(handle, names[i]),
			      "%s", names[i]);
}
END_TEST

START_TEST(what_it_does_not_define_is_not)
{
	struct object o = c_library();

	ck_assert_ptr_null(object_function(&o, "qsort_backwards"));
	ck_assert_ptr_null(object_function(&o, ""));
	/* A name in its table all the same, of what it needs from the loader. */
	ck_assert_ptr_null(object_function(&o, "__tls_get_addr"));
	/* An object, not a function. */
	ck_assert_ptr_null(object_function(&o, "environ"));
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

UNIT_SUITE(object, what_an_object_defines_is_found, what_it_does_not_define_is_not,
	   an_address_of_no_object_has_none)
