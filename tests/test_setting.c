/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings table: ranges, what a change sets off, and what the environment may say. */
#include "control/setting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/fork.h"
#include "inject/budget.h"
#include "inject/content.h"
#include "inject/sched.h"
#include "tests/unit.h"

START_TEST(values_have_to_be_of_their_type_and_range)
{
	static const struct {
		const char *name, *text;
		int rc;
		uint64_t value;
	} cases[] = {
		{ "check_content", "1", 0, 1 },
		{ "check_content", "2", -ERANGE, 1 },
		{ "check_content", "x", -EINVAL, 1 },
		{ "check_content", "", -EINVAL, 1 },
		{ "check_content", "-1", -EINVAL, 1 },
		{ "check_content", "0", 0, 0 },
		{ "min_available_percent", "100", 0, 100 },
		{ "min_available_percent", "101", -ERANGE, 100 },
		{ "min_available_percent", "5k", -EINVAL, 100 },
		{ "max_bytes", "1.5k", 0, 1536 },
		{ "max_bytes", "18446744073709551616", -ERANGE, 1536 },
		{ "seed", "18446744073709551615", 0, UINT64_MAX },
		{ "fork", "off", 0, FORK_OFF },
		{ "fork", "of", -EINVAL, FORK_OFF },
		{ "fork", "offf", -EINVAL, FORK_OFF },
		{ "fork", "", -EINVAL, FORK_OFF },
		{ "fork", "1", -EINVAL, FORK_OFF },
		{ "fork", "follow|off", -EINVAL, FORK_OFF },
		{ "fork", "follow", 0, FORK_FOLLOW },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct setting *s = setting_find(cases[i].name);
		char why[SETTING_WHY_MAX];

		ck_assert_msg(setting_set(s, cases[i].text, why) == cases[i].rc, "%s=%s", s->name,
			      cases[i].text);
		ck_assert_uint_eq(atomic_load(s->value), cases[i].value);
	}
}
END_TEST

START_TEST(refused_change_is_undone)
{
	const struct setting *s = setting_find("log");
	char directory[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], lengthy[SETTING_TEXT_MAX + 10], why[SETTING_WHY_MAX];

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/log", directory);
	memset(lengthy, '/', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	ck_assert_int_eq(setting_set(s, path, why), 0);
	ck_assert_str_eq(setting_text(s), path);
	ck_assert_int_eq(setting_set(s, "relative", why), -EINVAL);
	ck_assert_int_eq(setting_set(s, "/nonexistent/log", why), -ENOENT);
	ck_assert_str_eq(why, "'nonexistent': No such file or directory");
	ck_assert_int_eq(setting_set(s, lengthy, why), -ERANGE);
	ck_assert_str_eq(setting_text(s), path);
	ck_assert_int_eq(setting_set(s, "", why), 0);
	ck_assert_str_eq(setting_text(s), "");
	unit_remove(directory);
}
END_TEST

START_TEST(forms_say_what_is_accepted)
{
	char forms[SETTING_FORMS_MAX];

	ck_assert_str_eq(setting_forms(setting_find("touch"), forms), "a whole number, 0 to 1");
	ck_assert_str_eq(setting_forms(setting_find("seed"), forms), "a whole number");
	ck_assert_str_eq(setting_forms(setting_find("max_bytes"), forms),
			 "a whole number of bytes, or with a unit as in 10k, 1.5g, 64KiB, 1Gi, "
			 "or a share of the memory above 0% and up to 100%");
	ck_assert_str_eq(setting_forms(setting_find("log"), forms), LOG_FILE_FORMS ", or nothing");
	ck_assert_ptr_null(setting_find("nothing"));
}
END_TEST

static unsigned complaint_count(void)
{
	unsigned n = 0;

	while (setting_complaint(n))
		n++;
	return n;
}

/* Reads the environment with NAME=VALUE in it, and takes it out again. */
static void read_with(const char *name, const char *value)
{
	ck_assert_int_eq(setenv(name, value, 1), 0);
	setting_read_environment();
	ck_assert_int_eq(unsetenv(name), 0);
}

START_TEST(environment_gives_initial_values)
{
	unsigned before = complaint_count();

	read_with("MTPRELOAD_MAX_BYTES", "64MiB");
	ck_assert_uint_eq(atomic_load(&budget_max_bytes), 64 << 20);
	ck_assert_uint_eq(atomic_load(&budget_available_percent), 5);
	ck_assert_uint_eq(atomic_load(&content_touch), 1);
	ck_assert_uint_eq(atomic_load(&content_check), 0);
	read_with("MTPRELOAD_SEED", "12345");
	ck_assert_uint_eq(atomic_load(&sched_seed), 12345);
	ck_assert_uint_eq(atomic_load(&budget_max_bytes), 0);
	read_with("MTPRELOAD_LIB", "/somewhere/libmtpreload.so"); /* mtctl's */
	read_with("MTPRELOAD_DIR", "/somewhere");
	ck_assert_uint_ne(atomic_load(&sched_seed), 12345); /* random where none is given */
	ck_assert_uint_eq(complaint_count(), before);
}
END_TEST

START_TEST(bad_value_gives_the_default_and_a_complaint)
{
	unsigned before = complaint_count();

	read_with("MTPRELOAD_TOUCH", "maybe");
	ck_assert_uint_eq(atomic_load(&content_touch), 1);
	ck_assert_str_eq(setting_complaint(before), "MTPRELOAD_TOUCH=maybe: the default is used "
						    "(accepted: a whole number, 0 to 1)");
	ck_assert_uint_eq(complaint_count(), before + 1);
}
END_TEST

START_TEST(unknown_name_of_ours_is_complained_of)
{
	unsigned before = complaint_count();

	ck_assert_int_eq(setenv("MTPRELOADED", "1", 1), 0); /* somebody else's */
	read_with("MTPRELOAD_TUOCH", "0");
	ck_assert_int_eq(unsetenv("MTPRELOADED"), 0);
	ck_assert_str_eq(setting_complaint(before), "MTPRELOAD_TUOCH=0: no such setting");
	ck_assert_uint_eq(complaint_count(), before + 1);
}
END_TEST

START_TEST(log_that_cannot_be_opened_is_complained_of_at_start)
{
	unsigned before = complaint_count();

	read_with("MTPRELOAD_LOG", "/nonexistent/log");
	setting_start();
	ck_assert_str_eq(setting_complaint(before), "log=/nonexistent/log: 'nonexistent': No such file or directory");
	ck_assert_str_eq(setting_text(setting_find("log")), "");
	setting_start(); /* in a child: not once more */
	ck_assert_uint_eq(complaint_count(), before + 1);
}
END_TEST

UNIT_SUITE(setting, values_have_to_be_of_their_type_and_range, refused_change_is_undone,
	   forms_say_what_is_accepted, environment_gives_initial_values,
	   bad_value_gives_the_default_and_a_complaint, unknown_name_of_ours_is_complained_of,
	   log_that_cannot_be_opened_is_complained_of_at_start)
