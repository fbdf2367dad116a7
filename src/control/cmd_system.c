/* SPDX-License-Identifier: BSD-2-Clause */
/* What we are and do: mt.info, mt.status, mt.help, system.*. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/cmd.h"
#include "control/conn.h"
#include "control/control.h"
#include "control/life.h"
#include "control/server.h"
#include "control/setting.h"
#include "control/socket.h"
#include "control/stop.h"
#include "host/real.h"
#include "inject/budget.h"
#include "inject/hand.h"
#include "inject/lease.h"
#include "inject/sched.h"
#include "inject/transit.h"

void cmd_status(const struct args *a, struct reply *r)
{
	struct sched_counts n = sched_count();
	const char *stopped_by = stop_in_force();

	(void)a;
	reply_open(r, NULL, '{');
	reply_number(r, "held", budget_held());
	reply_number(r, "pending", budget_posted());
	reply_number(r, "hand_bytes", hand_pool.bytes);
	reply_number(r, "hand_chunks", hand_pool.chunks);
	reply_number(r, "tests_running", n.running);
	reply_number(r, "tests_stopped", n.stopped);
	reply_number(r, "corruptions", transit_corruptions());
	reply_number(r, "refusals", budget_refusals());
	reply_number(r, "record_bytes", chunk_record_bytes());
	reply_number(r, "clients", server_clients());
	reply_number(r, "clients_limit", CONN_ORDINARY_MAX);
	reply_number(r, "lease_ms_left", lease_left_ms());
	reply_text(r, "stopped", stopped_by ? stopped_by : "");
	reply_close(r, '}');
}

static void info_settings(struct reply *r)
{
	reply_open(r, "settings", '{');
	for (unsigned i = 0; i < setting_count; i++) {
		const struct setting *s = &settings[i];

		if (setting_is_text(s))
			reply_text(r, s->name, setting_text(s));
		else
			reply_number(r, s->name, atomic_load(s->value));
	}
	reply_close(r, '}');
}

void cmd_info(const struct args *a, struct reply *r)
{
	const char *complaint;

	(void)a;
	reply_open(r, NULL, '{');
	reply_number(r, "pid", (uint64_t)kernel_pid());
	reply_number(r, "parent", (uint64_t)kernel_ppid());
	reply_text(r, "program", control_program());
	reply_number(r, "uid", kernel_euid());
	reply_text(r, "version", CONTROL_VERSION);
	reply_number(r, "uptime_s", (clock_ns() - life_start_ns()) / NS_PER_S);
	reply_text(r, "allocator", real_allocator());
	reply_number(r, "in_path", real_in_path());
	reply_text(r, "wakes", life_looks() ? "ten times a second: there is no room for signals" : "on demand");
	reply_number(r, "held_up", life_waits_in_vain());
	reply_text(r, "socket", socket_path());
	reply_number(r, "clients", server_clients());
	reply_number(r, "clients_limit", CONN_ORDINARY_MAX);
	info_settings(r);
	reply_open(r, "environment", '[');
	for (unsigned i = 0; (complaint = setting_complaint(i)); i++)
		reply_text(r, NULL, complaint);
	reply_close(r, ']');
	reply_close(r, '}');
}

static void explain(struct reply *r, const char *method)
{
	const struct command *c = command_find(method);
	char usage[COMMAND_USAGE_MAX];

	if (c)
		reply_format(r, NULL, "%s\n%s", command_usage(c, usage), c->help);
	else
		command_fault_unknown(method, r);
}

void cmd_help(const struct args *a, struct reply *r)
{
	char usage[COMMAND_USAGE_MAX];

	if (arg_given(a, "command")) {
		explain(r, arg_text(a, "command"));
		return;
	}
	reply_open(r, NULL, '[');
	for (unsigned i = 0; i < command_count; i++)
		reply_format(r, NULL, "%s - %.*s", command_usage(&commands[i], usage),
			     (int)strcspn(commands[i].help, "\n"), commands[i].help);
	reply_close(r, ']');
}

static void describe_command(struct reply *r, const struct command *c)
{
	const char *at = c->signature;
	char usage[COMMAND_USAGE_MAX];
	struct command_param p;

	reply_open(r, NULL, '{');
	reply_text(r, "method", c->method);
	reply_text(r, "usage", command_usage(c, usage));
	reply_text(r, "help", c->help);
	reply_number(r, "changes", c->flags & COMMAND_CHANGES ? 1 : 0);
	reply_number(r, "injects", c->flags & COMMAND_INJECTS ? 1 : 0);
	reply_number(r, "takes_back", c->flags & COMMAND_TAKES_BACK ? 1 : 0);
	reply_open(r, "params", '[');
	while (command_next_param(&at, &p)) {
		reply_open(r, NULL, '{');
		reply_text(r, "name", p.name);
		reply_text(r, "type", p.type);
		reply_number(r, "optional", p.optional);
		reply_close(r, '}');
	}
	reply_close(r, ']');
	reply_close(r, '}');
}

static void describe_setting(struct reply *r, const struct setting *s)
{
	static const char *const types[] = {
		[SETTING_NUMBER] = "number",
		[SETTING_SIZE] = "size",
		[SETTING_CHOICE] = "choice",
		[SETTING_TEXT] = "text",
	};

	reply_open(r, NULL, '{');
	reply_text(r, "name", s->name);
	reply_text(r, "type", types[s->type]);
	if (!setting_is_text(s)) {
		reply_number(r, "least", s->least);
		reply_number(r, "most", s->most);
	}
	reply_text(r, "default", s->initial);
	reply_text(r, "unit", s->unit);
	reply_text(r, "help", s->help);
	reply_close(r, '}');
}

void cmd_describe(const struct args *a, struct reply *r)
{
	(void)a;
	reply_open(r, NULL, '{');
	reply_text(r, "version", CONTROL_VERSION);
	reply_text(r, "settings_group", SETTING_GROUP);
	reply_open(r, "commands", '[');
	for (unsigned i = 0; i < command_count; i++)
		describe_command(r, &commands[i]);
	reply_close(r, ']');
	reply_open(r, "settings", '[');
	for (unsigned i = 0; i < setting_count; i++)
		describe_setting(r, &settings[i]);
	reply_close(r, ']');
	reply_close(r, '}');
}

void cmd_core_version(const struct args *a, struct reply *r)
{
	(void)a;
	reply_text(r, NULL, "mtpreload " CONTROL_VERSION);
}

void cmd_core_uptime(const struct args *a, struct reply *r)
{
	uint64_t uptime_s = (clock_ns() - life_start_ns()) / NS_PER_S;

	(void)a;
	reply_open(r, NULL, '{');
	reply_number(r, "now", (uint64_t)kernel_time());
	reply_number(r, "up_since", (uint64_t)kernel_time() - uptime_s);
	reply_number(r, "uptime", uptime_s);
	reply_close(r, '}');
}

void cmd_core_ps(const struct args *a, struct reply *r)
{
	(void)a;
	reply_open(r, NULL, '[');
	reply_number(r, NULL, (uint64_t)kernel_pid());
	reply_text(r, NULL, control_program());
	reply_close(r, ']');
}

void cmd_list_methods(const struct args *a, struct reply *r)
{
	(void)a;
	reply_open(r, NULL, '[');
	for (unsigned i = 0; i < command_count; i++)
		reply_text(r, NULL, commands[i].method);
	reply_close(r, ']');
}

void cmd_method_help(const struct args *a, struct reply *r)
{
	explain(r, arg_text(a, "method"));
}
