/* SPDX-License-Identifier: BSD-2-Clause */
/* mt.status, mt.info, mt.help and system.*: what we say of ourselves. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/command.h"
#include "control/control.h"
#include "host/real.h"
#include "tests/recorder.h"
#include "tests/unit.h"

static void expect_part(const char *line, const char *part)
{
	const char *said = recorder_call(line);

	ck_assert_msg(strstr(said, part), "%s: no \"%s\" in \"%s\"", line, part, said);
}

START_TEST(status_counts_what_is_held)
{
	recorder_call("mt.mem_alloc 100");
	recorder_call("mt.mem_alloc 200");
	recorder_call("mt.mem_test_start 1 1 1 1h 1h 2h");
	recorder_expect_beginning("mt.status", "{held=300 pending=0 hand_bytes=300 hand_chunks=2 tests_running=1 "
					       "tests_stopped=0 corruptions=");
	expect_part("mt.status", " record_bytes=512 ");
	recorder_call("mt.reset");
	recorder_expect_beginning("mt.status", "{held=0 pending=0 hand_bytes=0 hand_chunks=0 tests_running=0 "
					       "tests_stopped=1 ");
}
END_TEST

START_TEST(info_says_who_we_are_and_how_we_are_set)
{
	char expected[200];

	snprintf(expected, sizeof(expected), "{pid=%d parent=%d program='%s' uid=%u version='%s' ",
		 (int)getpid(), (int)getppid(), control_program(), (unsigned)geteuid(),
		 CONTROL_VERSION);
	recorder_expect_beginning("mt.info", expected);
	snprintf(expected, sizeof(expected),
		 " allocator='%s' in_path=0 wakes='on demand' held_up=0 socket='' clients=0 clients_limit=64 settings={",
		 real_allocator());
	expect_part("mt.info", expected);
	expect_part("mt.info", " settings={check_content=0 touch=1 where='thread' realloc_p=0 seed=1 max_bytes=0 ");
}
END_TEST

START_TEST(help_lists_every_command_or_explains_one)
{
	char usage[COMMAND_USAGE_MAX];

	for (unsigned i = 0; i < command_count; i++) {
		char line[80], *explained;

		expect_part("mt.help", command_usage(&commands[i], usage));
		snprintf(line, sizeof(line), "mt.help %s", commands[i].method);
		expect_part(line, commands[i].help);
		snprintf(line, sizeof(line), "system.methodHelp %s", commands[i].method);
		explained = strchr(recorder_call(line), '\n');
		ck_assert_ptr_nonnull(explained);
		ck_assert_int_eq(strncmp(explained + 1, commands[i].help, strlen(commands[i].help)), 0);
	}
	recorder_expect("mt.help mt.x", "500 command mt.x not found (mt.help lists them)");
	recorder_expect_beginning("mt.help", "['mt.mem_alloc size [unit] - Allocates size bytes in the "
					     "host's heap and keeps them.' ");
}
END_TEST

START_TEST(methods_are_listed_in_the_tables_order)
{
	const char *at = recorder_call("system.listMethods");

	for (unsigned i = 0; i < command_count; i++) {
		char quoted[60];

		snprintf(quoted, sizeof(quoted), "'%s'", commands[i].method);
		at = strstr(at, quoted);
		ck_assert_ptr_nonnull(at);
	}
}
END_TEST

START_TEST(core_commands_answer_kamcmds_shell)
{
	char expected[120];

	recorder_expect("core.version", "'mtpreload " CONTROL_VERSION "'");
	snprintf(expected, sizeof(expected), "[%d '%s']", (int)getpid(), control_program());
	recorder_expect("core.ps", expected);
	recorder_expect_beginning("core.uptime", "{now=");
	expect_part("core.uptime", " up_since=");
	expect_part("core.uptime", " uptime=");
}
END_TEST

UNIT_SUITE(cmd_system, status_counts_what_is_held, info_says_who_we_are_and_how_we_are_set,
	   help_lists_every_command_or_explains_one, methods_are_listed_in_the_tables_order,
	   core_commands_answer_kamcmds_shell)
