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

#include "local.h"
#include "option.h"
#include "out.h"

#define LIBRARY "libmtpreload.so"
#define INSTALLED "../lib/mtpreload/" LIBRARY

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

static const struct {
	const char *word, *value;
	int (*take)(const char *value);
} rows[] = {
	{ "--set", "NAME=VALUE", set },
	{ "--only", "PATTERN", only },
};

/* Reads the option at **at, and its value, which stands behind it or behind a '='. */
static int read_option(char ***at)
{
	static const char *const known[] = { "--set", "--only", NULL };
	const char *option = **at, *value;
	size_t length = strcspn(option, "=");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].word) != length || strncmp(rows[i].word, option, length) != 0)
			continue;
		value = option[length] ? option + length + 1 : *++*at;
		if (!value)
			return out_error(CTL_USAGE, "%s needs a value: %s", option, rows[i].value);
		return rows[i].take(value);
	}
	return option_unknown(option, known);
}

/* The path of a readable file in the directory of mtctl itself. */
static bool beside(const char *tail, char out[PATH_MAX])
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/%s", self, tail);
	return realpath(path, out) && access(out, R_OK) == 0;
}

static int find_library(char out[PATH_MAX])
{
	const char *given = getenv("MTPRELOAD_LIB");

	if (given && *given) {
		if (!realpath(given, out) || access(out, R_OK) < 0)
			return out_error(CTL_UNREACHABLE, "MTPRELOAD_LIB=%s: %s", given,
					 strerror(errno));
	} else if (!beside(LIBRARY, out) && !beside(INSTALLED, out)) {
		return out_error(CTL_UNREACHABLE,
				 LIBRARY " is neither beside mtctl nor in " INSTALLED
				 " from there (MTPRELOAD_LIB=PATH names it)");
	}
	if (out[strcspn(out, ": \t\n")])
		return out_error(CTL_USAGE,
				 "LD_PRELOAD cannot hold '%s', which has a blank or a colon in it "
				 "(MTPRELOAD_LIB=PATH names a copy elsewhere)",
				 out);
	return CTL_DONE;
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
	char library[PATH_MAX];
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
	status = find_library(library);
	if (status == CTL_DONE)
		status = preload(library);
	return status == CTL_DONE ? start(at) : status;
}
