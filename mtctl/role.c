/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells the processes of one program from each other: by what they write over their command line, as
   "nginx: worker process", or by who started whom. */
#include "role.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "out.h"

#define TITLE_MAX 48
#define LISTED_MAX 20
#define BREAKS " \t:,;()[]/="

static int refuse_text(const char *text, const char *why)
{
	return out_error(CTL_USAGE, "-n '%s': %s (NAME:ROLE:INDEX, as in nginx:worker:1)", text, why);
}

int role_read(const char *text, struct role *r)
{
	const char *role = text + strcspn(text, ":");
	const char *index = *role ? role + 1 + strcspn(role + 1, ":") : role;
	char *end;

	*r = (struct role){ .text = text };
	if ((size_t)(role - text) >= sizeof(r->name) || (size_t)(index - role) >= sizeof(r->role))
		return refuse_text(text, "too long");
	snprintf(r->name, sizeof(r->name), "%.*s", (int)(role - text), text);
	if (*role)
		snprintf(r->role, sizeof(r->role), "%.*s", (int)(index - role - 1), role + 1);
	if (!*index || !index[1])
		return CTL_DONE;
	errno = 0;
	r->index = strtoul(index + 1, &end, 10);
	if (!isdigit((unsigned char)index[1]) || *end || errno || !r->index)
		return refuse_text(text, "the index is a number, from 1");
	return CTL_DONE;
}

/* The command line, with blanks between its words. */
static void read_title(pid_t pid, struct buf *title)
{
	if (proc_file(pid, "cmdline", title) < 0)
		buf_clear(title, 0);
	while (title->len && !title->data[title->len - 1])
		title->len--;
	for (size_t i = 0; i < title->len; i++)
		if (iscntrl((unsigned char)title->data[i]))
			title->data[i] = ' ';
	buf_char(title, '\0');
}

static bool has_word(const struct buf *title, const char *word)
{
	for (const char *at = title->data; at && *at; at += strspn(at, BREAKS)) {
		size_t length = strcspn(at, BREAKS);

		if (length == strlen(word) && strncmp(at, word, length) == 0)
			return true;
		at += length;
	}
	return false;
}

static bool has_parent(const struct instances *found, const struct instance *i)
{
	for (size_t n = 0; n < found->count; n++)
		if (found->at[n].proc.pid == i->proc.parent)
			return true;
	return false;
}

/* What speaks for an instance having the role. */
struct verdict {
	bool by_title, by_structure;
};

static void judge(const char *role, const struct instances *found, struct verdict *v)
{
	bool above = strcmp(role, "master") == 0 || strcmp(role, "parent") == 0;
	bool below = strcmp(role, "worker") == 0 || strcmp(role, "child") == 0;
	struct buf title = { 0 };

	for (size_t i = 0; i < found->count; i++) {
		bool is_child = has_parent(found, &found->at[i]);

		read_title(found->at[i].proc.pid, &title);
		v[i].by_title = has_word(&title, role);
		v[i].by_structure = (above && !is_child) || (below && is_child);
	}
	buf_free(&title);
}

/* A word that all titles have, as in "celery worker", tells nothing. */
static bool title_tells(const struct verdict *v, size_t count)
{
	size_t titles = 0, structures = 0;

	for (size_t i = 0; i < count; i++) {
		titles += v[i].by_title;
		structures += v[i].by_structure;
	}
	return (titles && titles < count) || !structures;
}

static void list(struct buf *b, const struct instances *found)
{
	struct buf title = { 0 };

	for (size_t i = 0; i < found->count && i < LISTED_MAX; i++) {
		read_title(found->at[i].proc.pid, &title);
		buf_printf(b, "%s%d %.*s", i ? ", " : "", (int)found->at[i].proc.pid, TITLE_MAX,
			   title.len > 1 ? title.data : found->at[i].proc.name);
	}
	if (found->count > LISTED_MAX)
		buf_printf(b, " and %zu more (mtctl ls)", found->count - LISTED_MAX);
	buf_char(b, '\0');
	buf_free(&title);
}

static int refuse_role(const struct role *r, const struct instances *found)
{
	struct buf all = { 0 };

	list(&all, found);
	out_error(CTL_UNREACHABLE,
		  "no instance of -n %s is a '%s': %s (a word of these, or master, worker)", r->text,
		  r->role, all.data);
	buf_free(&all);
	return CTL_UNREACHABLE;
}

static int refuse_index(const struct role *r, const struct instances *found)
{
	struct buf all = { 0 };

	list(&all, found);
	out_error(CTL_UNREACHABLE, "-n %s: there %s %zu: %s", r->text,
		  found->count == 1 ? "is only" : "are only", found->count, all.data);
	buf_free(&all);
	return CTL_UNREACHABLE;
}

static int keep_role(const struct role *r, struct instances *found)
{
	struct verdict *v = calloc(found->count, sizeof(*v));
	size_t kept = 0;
	bool by_title;

	if (!v)
		return out_error(CTL_UNREACHABLE, "memory ran out");
	judge(r->role, found, v);
	by_title = title_tells(v, found->count);
	for (size_t i = 0; i < found->count; i++)
		if (by_title ? v[i].by_title : v[i].by_structure)
			found->at[kept++] = found->at[i];
	free(v);
	if (!kept)
		return refuse_role(r, found); /* none was moved */
	found->count = kept;
	return CTL_DONE;
}

int role_keep(const struct role *r, struct instances *found)
{
	int status = CTL_DONE;

	if (!found->count)
		return out_error(CTL_UNREACHABLE, "no instance fits -n %s (mtctl ls shows all)", r->text);
	if (*r->role)
		status = keep_role(r, found);
	if (status != CTL_DONE || !r->index)
		return status;
	if (r->index > found->count)
		return refuse_index(r, found);
	found->at[0] = found->at[r->index - 1];
	found->count = 1;
	return CTL_DONE;
}
