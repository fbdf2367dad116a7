/* SPDX-License-Identifier: BSD-2-Clause */
/* The library is in a process: does it work there? Nothing here talks to it. */
#include "library.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "secure.h"

#define FILES_MAX 8

/* The files of the library's name that are mapped. */
struct copies {
	char path[FILES_MAX][PATH_MAX];
	unsigned count;
	bool deleted;
};

static void find_copies(const struct subject *s, struct copies *c)
{
	const char *line = s->maps.data, *end, *path;

	*c = (struct copies){ .count = 0 };
	for (; (end = strchr(line, '\n')); line = end + 1) {
		char whole[PATH_MAX], *gone;
		unsigned i;

		path = memchr(line, '/', (size_t)(end - line));
		if (!path)
			continue;
		snprintf(whole, sizeof(whole), "%.*s", (int)(end - path), path);
		gone = strstr(whole, " (deleted)");
		if (gone)
			*gone = '\0';
		path = strrchr(whole, '/') + 1;
		if (!library_is_named(path, strlen(path)))
			continue;
		c->deleted |= gone != NULL;
		for (i = 0; i < c->count && strcmp(c->path[i], whole) != 0; i++)
			;
		if (i == c->count && i < FILES_MAX)
			strcpy(c->path[c->count++], whole);
	}
}

static enum level mapped(struct subject *s, struct buf *text)
{
	struct copies c;

	find_copies(s, &c);
	buf_printf(text, "%s is loaded", c.count ? c.path[0] : "the library, by another name than " LIBRARY ",");
	return LEVEL_OK;
}

static enum level copies(struct subject *s, struct buf *text)
{
	struct copies c;

	find_copies(s, &c);
	if (c.count < 2)
		return LEVEL_NONE;
	buf_printf(text, "%u copies of the library are in it, of which the first that LD_PRELOAD names obeys, and "
			 "the others only pass calls on: ",
		   c.count);
	for (unsigned i = 0; i < c.count; i++)
		buf_printf(text, "%s%s", i ? ", " : "", c.path[i]);
	return LEVEL_NOTE;
}

static enum level replaced(struct subject *s, struct buf *text)
{
	struct copies c;

	find_copies(s, &c);
	if (!c.deleted)
		return LEVEL_NONE;
	buf_str(text, "the library's file has been replaced or removed since it was loaded");
	return LEVEL_NOTE;
}

static enum level runs(struct subject *s, struct buf *text)
{
	if (!s->thread)
		return LEVEL_NONE;
	buf_str(text, "its thread runs");
	return LEVEL_OK;
}

static enum level secure(struct subject *s, struct buf *text)
{
	if (s->thread || !secure_is(s))
		return LEVEL_NONE;
	buf_str(text, "it runs with more rights than its caller had (setuid, setgid or file capabilities): the "
		      "library does nothing there");
	return LEVEL_PROBLEM;
}

/* The name that the library compares: that of the command, without its directory. */
static bool is_chosen(const struct subject *s, const char *patterns)
{
	struct buf title = { 0 };
	char one[64], name[PATH_MAX] = "";
	const char *base;
	bool chosen = false;

	if (proc_file(s->proc.pid, "cmdline", &title) == 0)
		snprintf(name, sizeof(name), "%s", title.data);
	buf_free(&title);
	base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	for (size_t length; *patterns && !chosen; patterns += length + (patterns[length] == ',')) {
		length = strcspn(patterns, ",");
		snprintf(one, sizeof(one), "%.*s", (int)length, patterns);
		chosen = fnmatch(one, base, 0) == 0 || fnmatch(one, s->proc.program, 0) == 0;
	}
	return chosen;
}

static enum level only(struct subject *s, struct buf *text)
{
	const char *patterns = proc_env(&s->environment, "MTPRELOAD_ONLY");

	if (s->thread || !patterns || is_chosen(s, patterns))
		return LEVEL_NONE;
	buf_printf(text, "MTPRELOAD_ONLY=%s leaves programs of its name out", patterns);
	return s->asked ? LEVEL_PROBLEM : LEVEL_NOTE;
}

static enum level forked(struct subject *s, struct buf *text)
{
	const char *follow = proc_env(&s->environment, "MTPRELOAD_FORK");
	struct buf scratch = { 0 };
	bool is_child = proc_has_library(s->proc.parent, &scratch) == 1;

	buf_free(&scratch);
	if (s->thread || !follow || strcmp(follow, "off") != 0 || !is_child)
		return LEVEL_NONE;
	buf_printf(text, "it was forked by %d, and MTPRELOAD_FORK=off keeps the library out of children",
		   (int)s->proc.parent);
	return s->asked ? LEVEL_PROBLEM : LEVEL_NOTE;
}

const struct check present_checks[] = {
	{ "library", mapped, "", false, false },
	{ "copies", copies, "name one of them in LD_PRELOAD", false, false },
	{ "replaced", replaced, "start it again for the newer one", false, false },
	{ 0 },
};

const struct check thread_checks[] = {
	{ "thread", runs, "", false, false },
	{ "secure", secure, "start it as the user whose rights it takes, or a copy without the bits", true,
	  false },
	{ "only", only, "mtctl run --only with a pattern that fits it", true, false },
	{ "fork", forked, "MTPRELOAD_FORK=follow", true, false },
	{ 0 },
};
