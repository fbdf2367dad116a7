/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of local commands, and the help that follows from it. */
#include "local.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "batch.h"
#include "doctor.h"
#include "ls.h"
#include "option.h"
#include "out.h"
#include "run.h"
#include "session.h"

const struct local locals[] = {
	{ "run", run_program, "run [--set K=V]... [--only PAT] [--force] -- PROGRAM [ARG]...",
	  "start PROGRAM with the library in it; --set gives it a setting,\n"
	  "--only limits it to programs of these names: nginx,redis-*;\n"
	  "--force starts it although the library would end it",
	  true },
	{ "ls", ls_run, "ls", "list the running instances, remove names left by dead ones", false },
	{ "doctor", doctor_run, "doctor [PID | -- PROGRAM [ARG]...]",
	  "why the library is not at work in a process, would not be in PROGRAM\n"
	  "(which is not run), or what is wrong on this machine",
	  false },
	{ "-", batch_run, "-", "read commands from stdin, one a line", false },
	{ "help", local_help, "help [METHOD]", "this text, or what the server says of METHOD",
	  false },
};
const unsigned local_count = sizeof(locals) / sizeof(locals[0]);

const struct local *local_find(const char *word)
{
	for (unsigned i = 0; i < local_count; i++)
		if (strcmp(locals[i].word, word) == 0)
			return &locals[i];
	return NULL;
}

/* What people leave the "mt." off. */
static const char *const methods[] = {
	"mt.mem_alloc", "mt.mem_free", "mt.mem_used", "mt.mem_rnd_alloc", "mt.mem_test_start",
	"mt.mem_test_stop", "mt.mem_test_destroy", "mt.mem_test_destroy_all", "mt.mem_test_list",
	"mt.mem_realloc", "mt.mem_check", "mt.mem_trim", "mt.leak_start", "mt.lease", "mt.reset", "mt.status",
	"mt.info", "mt.describe", "cfg.list", "cfg.get", "cfg.set_now_int", "cfg.set_now_string",
	"system.listMethods", "system.methodHelp",
};

int local_unknown(const char *word)
{
	struct nearest n = { .word = word };

	if (local_find(word))
		return out_error(CTL_USAGE, "'%s' is no method (on its own: mtctl %s)", word, word);
	for (unsigned i = 0; i < local_count; i++)
		if (strcmp(locals[i].word, "-") != 0)
			nearest_offer(&n, locals[i].word);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		nearest_offer_as(&n, strchr(methods[i], '.') + 1, methods[i]);
		nearest_offer(&n, methods[i]);
	}
	if (n.best)
		return out_error(CTL_USAGE, "unknown command '%s', did you mean %s?", word, n.best);
	return out_error(CTL_USAGE,
			 "unknown command '%s' (a method has a dot, as mt.mem_used; mtctl help)", word);
}

/* A row of the help: what is typed, and behind it what it does. */
static void explain(struct buf *b, const char *usage, const char *help)
{
	const char *end;

	buf_printf(b, strlen(usage) > 22 ? "  %s\n%26s" : "  %-22s  ", usage, "");
	for (; (end = strchr(help, '\n')); help = end + 1)
		buf_printf(b, "%.*s\n%26s", (int)(end - help), help, "");
	buf_printf(b, "%s\n", help);
}

static void show_help(void)
{
	struct buf b = { 0 };

	buf_str(&b, "mtctl run -- sleep 1000 & sleep 1; mtctl mt.mem_alloc 10 m; mtctl mt.mem_used m\n"
		    "\n"
		    "usage: mtctl [OPTION]... METHOD [ARG]...\n"
		    "       mtctl [OPTION]... COMMAND\n"
		    "\n"
		    "A METHOD has a dot, as mt.mem_alloc; its ARGs are given in order or as NAME=VALUE.\n"
		    "mtctl mt.help lists the methods.\n"
		    "\n"
		    "commands:\n");
	for (unsigned i = 0; i < local_count; i++)
		explain(&b, locals[i].usage, locals[i].help);
	buf_str(&b, "\noptions (one target is found without):\n");
	option_explain(&b, explain);
	buf_str(&b, "\n"
		    "exit status: 0 done, 1 refused, 2 usage, 3 unreachable, 4 timeout, 130 "
		    "interrupted\n");
	out_text(&b);
	buf_free(&b);
}

int local_help(const struct options *o, int count, char **words)
{
	char method_help[] = "system.methodHelp";

	if (count > 2)
		return out_error(CTL_USAGE, "'%s' is too much (mtctl help METHOD)", words[2]);
	if (count < 2 || local_find(words[1])) {
		show_help();
		return CTL_DONE;
	}
	if (!strchr(words[1], '.'))
		return local_unknown(words[1]);
	return session_once(o, (char *[]){ method_help, words[1] }, 2);
}
