/* SPDX-License-Identifier: BSD-2-Clause */
/* Why is the library not in a process? The kernel keeps the environment with which it was started; the
   first cause that is found is told. What its program is to blame for is in check_program.c. */
#include "library.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "inside.h"
#include "secure.h"

#define PARENTS_MAX 64

static bool asks_for_it(pid_t pid, struct buf *environment)
{
	const char *value = proc_file(pid, "environ", environment) == 0 ?
				    proc_env(environment, "LD_PRELOAD") :
				    NULL;

	return value && strstr(value, LIBRARY_STEM);
}

static enum level wiped(struct subject *s, struct buf *text)
{
	struct proc above = s->proc;
	struct buf environment = { 0 };
	bool found = false;

	for (int i = 0; !s->preload && !found && i < PARENTS_MAX && above.parent > 0; i++)
		found = proc_read(above.parent, &above) && asks_for_it(above.pid, &environment);
	buf_free(&environment);
	if (!found)
		return LEVEL_NONE;
	buf_printf(text, "its ancestor %d (%s) has the library in LD_PRELOAD, it has not: sudo, su, cron or the "
			 "like has cleaned the environment on the way",
		   (int)above.pid, above.name);
	return LEVEL_PROBLEM;
}

static enum level never_asked(struct subject *s, struct buf *text)
{
	if (s->preload)
		return LEVEL_NONE;
	buf_str(text, "it was started without the library: LD_PRELOAD does not name it");
	return LEVEL_PROBLEM;
}

static enum level secure(struct subject *s, struct buf *text)
{
	if (!secure_is(s))
		return LEVEL_NONE;
	buf_str(text, "it runs with more rights than its caller had (setuid, setgid or file capabilities): its "
		      "loader ignores a path in LD_PRELOAD");
	return LEVEL_PROBLEM;
}

/* A file whose path begins in front of the entry, as the whole value has it. */
static enum level cut(struct subject *s, struct buf *text)
{
	const char *entry = strstr(s->preload, s->entry);
	int length = (int)strlen(s->entry);
	char path[PATH_MAX];
	struct stat st;

	for (const char *start = s->preload; start < entry; start++) {
		if (*start != '/' || (start > s->preload && !strchr(" :", start[-1])))
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)(entry - start) + length, start);
		if (inside_stat(s->proc.pid, path, &st) < 0)
			continue;
		buf_printf(text, "the path '%s' has a blank or a colon in it, where the loader cuts LD_PRELOAD",
			   path);
		return LEVEL_PROBLEM;
	}
	return LEVEL_NONE;
}

static enum level bare(struct subject *s, struct buf *text)
{
	if (strchr(s->entry, '/'))
		return LEVEL_NONE;
	buf_printf(text, "LD_PRELOAD says %s without a directory: the loader looks for that among the "
			 "system's libraries only",
		   s->entry);
	return LEVEL_PROBLEM;
}

static enum level relative(struct subject *s, struct buf *text)
{
	if (*s->entry == '/')
		return LEVEL_NONE;
	buf_printf(text, "LD_PRELOAD says %s, a path from the directory in which it was started", s->entry);
	return LEVEL_PROBLEM;
}

static enum level missing(struct subject *s, struct buf *text)
{
	struct persona who;
	char part[PATH_MAX];
	struct stat st;
	int rc = inside_stat(s->proc.pid, s->entry, &st);

	if (rc < 0) {
		buf_printf(text, "LD_PRELOAD says %s: %s", s->entry, strerror(-rc));
		return LEVEL_PROBLEM;
	}
	persona_of(s->status.data, &who);
	if (!persona_is_kept_from(&who, s->proc.pid, s->entry, part, sizeof(part)))
		return LEVEL_NONE;
	buf_printf(text, "uid %u may not read %s, on the way to the library", (unsigned)who.uid, part);
	return LEVEL_PROBLEM;
}

static enum level unknown(struct subject *s, struct buf *text)
{
	buf_printf(text, "LD_PRELOAD says %s, which is there, and the loader did not take it: it was put there "
			 "after the start, or is no library for it",
		   s->entry);
	return LEVEL_PROBLEM;
}

const struct check absent_checks[] = {
	{ "wiped", wiped, "start it by mtctl run behind that: sudo mtctl run -- PROGRAM", true, false },
	{ "started", never_asked, "mtctl run -- PROGRAM", true, false },
	{ "secure", secure, "start it as the user whose rights it takes, or a copy without the bits", true,
	  false },
	{ "path", cut, "put the library under a path without blanks and colons", true, false },
	{ "path", bare, "give the full path, as mtctl run does", true, false },
	{ "path", relative, "give the full path, as mtctl run does", true, false },
	{ "path", missing, "give the path of a library that this user can read; make install puts it under "
			   "PREFIX/lib/mtpreload", true, false },
	{ 0 },
};

const struct check puzzle_checks[] = {
	{ "loading", unknown, "start it again; what the loader says goes to its stderr", true, false },
	{ 0 },
};
