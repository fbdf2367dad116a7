/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg.*: reading and changing settings as kamcmd does. */
#include <string.h>

#include "base/log_file.h"
#include "control/setting.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/sched.h"
#include "tests/recorder.h"
#include "tests/unit.h"

START_TEST(set_changes_what_get_shows)
{
	recorder_expect("cfg.get malloc_test check_content", "0");
	recorder_expect("cfg.set_now_int malloc_test check_content 1", "");
	recorder_expect("cfg.get malloc_test check_content", "1");
	ck_assert_uint_eq(atomic_load(&content_check), 1);
	recorder_expect("cfg.set_now_string malloc_test check_content 0", "");
	recorder_expect("cfg.get malloc_test check_content", "0");
	recorder_expect("cfg.set_now_int malloc_test max_bytes 10m", "");
	recorder_expect("cfg.get malloc_test max_bytes", "10485760");
	recorder_expect("cfg.set_now_int malloc_test seed 18446744073709551615", "");
	ck_assert_uint_eq(atomic_load(&sched_seed), UINT64_MAX);
}
END_TEST

START_TEST(bad_values_are_refused_with_what_is_accepted)
{
	recorder_expect("cfg.set_now_int malloc_test check_content 2",
			"400 bad value '2' for check_content (accepted: a whole number, 0 to 1)");
	recorder_expect_beginning("cfg.set_now_int malloc_test touch yes", "400 bad value 'yes' for touch");
	recorder_expect_beginning("cfg.set_now_int malloc_test touch -1", "400 bad value '-1' for touch");
	recorder_expect_beginning("cfg.set_now_int malloc_test min_available_percent 101",
				  "400 bad value '101' for min_available_percent");
	recorder_expect("cfg.set_now_int malloc_test max_bytes 10x",
			"400 bad value '10x' for max_bytes (accepted: a whole number of bytes, or with "
			"a unit as in 10k, 1.5g, 64KiB, 1Gi, or a share of the memory above 0% and up to 100%)");
	recorder_expect("cfg.set_now_string malloc_test log relative",
			"400 bad value 'relative' for log (accepted: " LOG_FILE_FORMS ", or nothing)");
	recorder_expect("cfg.set_now_string malloc_test log /nonexistent/log",
			"400 log '/nonexistent/log': 'nonexistent': No such file or directory (accepted: " LOG_FILE_FORMS ", or nothing)");
	recorder_expect("cfg.get malloc_test log", "''");
	recorder_expect("cfg.set_now_int malloc_test log 5",
			"400 log is a string: use cfg.set_now_string");
	ck_assert_uint_eq(atomic_load(&content_check), 0);
}
END_TEST

START_TEST(unknown_names_are_refused_with_the_nearest)
{
	recorder_expect("cfg.get malloc_test check_contents",
			"400 setting 'check_contents' not found, did you mean check_content?");
	recorder_expect("cfg.help malloc_test frobnicate",
			"400 setting 'frobnicate' not found (cfg.list shows all)");
	recorder_expect("cfg.get core debug",
			"400 group 'core' not found (the only one is malloc_test)");
	recorder_expect_beginning("cfg.set_now_int core touch 1", "400 group 'core' not found");
	recorder_expect_beginning("cfg.set_now_string core touch 1", "400 group 'core' not found");
	recorder_expect_beginning("cfg.help core touch", "400 group 'core' not found");
	recorder_expect_beginning("cfg.list core", "400 group 'core' not found");
}
END_TEST

START_TEST(list_and_help_follow_from_the_table)
{
	const char *at = recorder_call("cfg.list");

	for (unsigned i = 0; i < setting_count; i++) {
		at = strstr(at, settings[i].name);
		ck_assert_ptr_nonnull(at);
	}
	recorder_expect_beginning("cfg.list malloc_test",
				  "['malloc_test: check_content' 'malloc_test: touch' ");
	recorder_expect("cfg.help malloc_test touch",
			"'Store to every page of what is allocated, so that it becomes resident.'");
}
END_TEST

START_TEST(new_seed_starts_the_sizes_again)
{
	uint64_t sizes[2][3];

	for (size_t round = 0; round < 2; round++) {
		struct chunk_cursor at = { 0 };
		struct chunk c;

		recorder_expect("cfg.set_now_int malloc_test seed 7", "");
		recorder_expect("mt.mem_rnd_alloc 1 1m 9m", "");
		for (size_t i = 0; i < COUNT(sizes[0]); i++) {
			ck_assert(chunk_prev(&hand_pool, &at, &c));
			sizes[round][i] = c.size;
		}
		recorder_call("mt.mem_free");
	}
	ck_assert_mem_eq(sizes[0], sizes[1], sizeof(sizes[0]));
}
END_TEST

UNIT_SUITE(cmd_cfg, set_changes_what_get_shows, bad_values_are_refused_with_what_is_accepted,
	   unknown_names_are_refused_with_the_nearest, list_and_help_follow_from_the_table,
	   new_seed_starts_the_sizes_again)
