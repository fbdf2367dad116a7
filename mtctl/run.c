/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a program with the library in front of whatever LD_PRELOAD has already. Settings go by
   the environment, where the library reports wrong ones in mt.info. */
#include "run.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "library.h"
#include "local.h"
#include "option.h"
#include "out.h"

#define WHY_MAX 2048

enum { RUN_CANNOT_EXECUTE = 126, RUN_NOT_FOUND = 127 };

static int set(const char *assignment)
{
	size_t length = strspn(assignment, "abcdefghijklmnopqrstuvwxyz_");
	char name[128];
	int n;

	n = snprintf(name, sizeof(name), "MTPRELOAD_%.*s", (int)length, assignment);
	if (!length || assignment[length] != '=' || n >= (int)sizeof(name))
		return out_error(CTL_USAGE,
				 "--set '%s' is no setting (NAME=VALUE, as in touch=0; mtctl cfg.list)",
				 assignment);
	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	setenv(name, assignment + length + 1, 1);
	return CTL_DONE;
}

static int only(const char *patterns)
{
	setenv("MTPRELOAD_ONLY", patterns, 1);
	return CTL_DONE;
}

static bool forced;

static int force(const char *unused)
{
	(void)unused;
	forced = true;
	return CTL_DONE;
}

static const struct {
	const char *word, *value; /* NULL: it takes none */
	int (*take)(const char *value);
} rows[] = {
	{ "--set", "NAME=VALUE", set },
	{ "--only", "PATTERN", only },
	{ "--force", NULL, force },
};

/* Reads the option at **at, and its value, which stands behind it or behind a '='. */
static int read_option(char ***at)
{
	static const char *const known[] = { "--set", "--only", "--force", NULL };
	const char *option = **at, *value;
	size_t length = strcspn(option, "=");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].word) != length || strncmp(rows[i].word, option, length) != 0)
			continue;
		if (!rows[i].value)
			return option[length] ? out_error(CTL_USAGE, "%s takes no value", rows[i].word) :
						rows[i].take(NULL);
		value = option[length] ? option + length + 1 : *++*at;
		if (!value)
			return out_error(CTL_USAGE, "%s needs a value: %s", option, rows[i].value);
		return rows[i].take(value);
	}
	return option_unknown(option, known);
}

/* In front: the first malloc found is the one that a program calls. */
static int preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	struct buf value = { 0 };
	int rc;

	buf_str(&value, library);
	if (others && *others)
		buf_printf(&value, ":%s", others);
	buf_char(&value, '\0');
	rc = value.failed ? -1 : setenv("LD_PRELOAD", value.data, 1);
	buf_free(&value);
	/* It is for us; the library would report it as a setting that it does not have. */
	unsetenv("MTPRELOAD_LIB");
	return rc < 0 ? out_error(CTL_UNREACHABLE, "memory ran out") : CTL_DONE;
}

static int find(char library[PATH_MAX])
{
	char why[LIBRARY_WHY_MAX];
	int status = library_find(library, why);

	return status == CTL_DONE ? CTL_DONE : out_error(status, "%s", why);
}

static int start(char **program)
{
	int error;

	execvp(program[0], program);
	error = errno;
	return out_error(error == ENOENT ? RUN_NOT_FOUND : RUN_CANNOT_EXECUTE, "cannot run %s: %s",
			 program[0], strerror(error));
}

int run_program(const struct options *o, int count, char **words)
{
	char library[PATH_MAX], why[WHY_MAX];
	char **at = words + 1;
	int status = CTL_DONE;

	if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
		return local_help(o, 0, words);
	for (; status == CTL_DONE && *at && **at == '-' && strcmp(*at, "--") != 0; at++)
		status = read_option(&at);
	if (status != CTL_DONE)
		return status;
	if (*at && strcmp(*at, "--") == 0)
		at++;
	if (!*at)
		return out_error(CTL_USAGE, "run what? (mtctl run [--set K=V]... -- PROGRAM [ARG]...)");
	status = find(library);
	if (status == CTL_DONE && !forced && doctor_is_fatal(*at, library, why, sizeof(why)))
		return out_error(RUN_CANNOT_EXECUTE, "not started: %s; --force starts it all the same", why);
	if (status == CTL_DONE)
		status = preload(library);
	return status == CTL_DONE ? start(at) : status;
}
