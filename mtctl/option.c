/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads options. They may stand behind the method too, where people add them; a negative number is
   no option, and behind "--" nothing is. */
#include "option.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/nearest.h"
#include "local.h"
#include "out.h"

#define PATIENCE_IDLE_NS (60 * NS_PER_S)
#define PATIENCE_TOTAL_NS (3600 * NS_PER_S)
#define SECONDS_MAX 1e9

static int take_pid(struct options *o, const char *value)
{
	char *end;
	long pid = strtol(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || pid < 1 || pid > INT32_MAX)
		return out_error(CTL_USAGE, "-p '%s' is no process id (a whole number; mtctl ls)",
				 value);
	o->pid = (pid_t)pid;
	return CTL_DONE;
}

static int take_name(struct options *o, const char *value)
{
	o->name = value;
	return *value ? CTL_DONE : out_error(CTL_USAGE, "-n needs the name of a program");
}

static int take_socket(struct options *o, const char *value)
{
	o->socket = value;
	return *value ? CTL_DONE : out_error(CTL_USAGE, "-s needs the path of a socket");
}

static int take_timeout(struct options *o, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (!*value || value[strspn(value, "0123456789.")] || *end || seconds > SECONDS_MAX)
		return out_error(CTL_USAGE,
				 "-t '%s' is no time (seconds, as in 2 or 0.5; 0 waits for ever)",
				 value);
	o->patience = (struct patience){ .total_ns = (uint64_t)(seconds * (double)NS_PER_S) };
	if (seconds > 0 && !o->patience.total_ns)
		o->patience.total_ns = 1;
	return CTL_DONE;
}

static int take_all(struct options *o, const char *value)
{
	(void)value;
	o->all = true;
	return CTL_DONE;
}

static int take_json(struct options *o, const char *value)
{
	(void)value;
	o->json = true;
	out_as_json(true);
	return CTL_DONE;
}

static int take_help(struct options *o, const char *value)
{
	(void)value;
	o->help = true;
	return CTL_DONE;
}

static int take_version(struct options *o, const char *value)
{
	(void)value;
	o->version = true;
	return CTL_DONE;
}

struct option_row {
	char letter; /* 0: none */
	const char *word;
	const char *value; /* what it takes, or NULL */
	int (*take)(struct options *o, const char *value);
	const char *help;
};

static const struct option_row rows[] = {
	{ 'p', "--pid", "PID", take_pid, "the process with this id" },
	{ 'n', "--name", "NAME", take_name,
	  "the program of this name, or of one like nginx* in quotes;\n"
	  "NAME:ROLE:INDEX is one of its processes: nginx:worker:1" },
	{ 's', "--socket", "SOCKET", take_socket, "whoever listens on this socket: a path, or @mtpreload.PID without a file" },
	{ 0, "--all", NULL, take_all, "every instance that fits, all at once" },
	{ 'j', "--json", NULL, take_json, "results and errors as JSON, one line each, on stdout" },
	{ 't', "--timeout", "SEC", take_timeout,
	  "wait this long for an answer: 0.5; 0 is for ever; otherwise 60 s\n"
	  "without a line of it coming, and an hour in all; doctor of all: 20 s" },
	{ 'h', "--help", NULL, take_help, "this text" },
	{ 0, "--version", NULL, take_version, "mtctl's version" },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void option_explain(struct buf *b, void (*row)(struct buf *b, const char *usage, const char *help))
{
	for (size_t i = 0; i < ROWS; i++) {
		char usage[64], letter[8] = "";

		if (rows[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
		snprintf(usage, sizeof(usage), "%s%s%s%s", letter, rows[i].word,
			 rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
		row(b, usage, rows[i].help);
	}
}

int option_unknown(const char *option, const char *const *known)
{
	char word[64];
	struct nearest n = { .word = word };

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(option, "="), option);
	for (; strncmp(word, "--", 2) == 0 && *known; known++)
		nearest_offer(&n, *known);
	if (n.best)
		return out_error(CTL_USAGE, "unknown option %s, did you mean %s?", word, n.best);
	return out_error(CTL_USAGE, "unknown option %s (mtctl --help)", word);
}

static int unknown(const char *option)
{
	const char *known[ROWS + 1] = { NULL };

	for (size_t i = 0; i < ROWS; i++)
		known[i] = rows[i].word;
	return option_unknown(option, known);
}

static const struct option_row *row_of(const char *option, const char **value)
{
	size_t length = strcspn(option, "=");

	*value = NULL;
	for (size_t i = 0; i < ROWS; i++) {
		if (option[1] == rows[i].letter) {
			*value = option[2] ? option + 2 : NULL;
			return &rows[i];
		}
		if (strlen(rows[i].word) == length && strncmp(rows[i].word, option, length) == 0) {
			*value = option[length] ? option + length + 1 : NULL;
			return &rows[i];
		}
	}
	return NULL;
}

/* Reads the option at **at; `*at` moves on to its value where that stands apart. */
static int read_one(struct options *o, char ***at)
{
	const char *option = **at, *value;
	const struct option_row *row = row_of(option, &value);

	if (!row)
		return unknown(option);
	if (value && !row->value)
		return out_error(CTL_USAGE, "%s takes no value: '%s'", row->word, option);
	if (row->value && !value) {
		if (!(*at)[1])
			return out_error(CTL_USAGE, "%s needs a value: %s", option, row->value);
		value = *++*at;
	}
	return row->take(o, value);
}

static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1] && !isdigit((unsigned char)arg[1]) && arg[1] != '.';
}

static int check(const struct options *o)
{
	if (!!o->pid + !!o->name + !!o->socket > 1)
		return out_error(CTL_USAGE, "-p, -n and -s each name a target: give one of them");
	return CTL_DONE;
}

int option_read(struct options *o, char **args, int *count)
{
	const struct local *command = NULL;
	char **to = args;
	int status = CTL_DONE;

	*o = (struct options){ .patience = { PATIENCE_IDLE_NS, PATIENCE_TOTAL_NS } };
	for (char **at = args; *at && status == CTL_DONE; at++) {
		if (strcmp(*at, "--") == 0 || (command && command->own_options)) {
			o->behind_dashes = strcmp(*at, "--") == 0 && to == args + 1;
			at += !command || !command->own_options;
			while (*at)
				*to++ = *at++;
			break;
		}
		if (is_option(*at)) {
			status = read_one(o, &at);
			continue;
		}
		if (to == args)
			command = local_find(*at);
		*to++ = *at;
	}
	*to = NULL;
	*count = (int)(to - args);
	return status == CTL_DONE ? check(o) : status;
}
