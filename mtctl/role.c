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
#include "family.h"
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

static int refuse_users(const struct role *r, const struct instances *of, const uid_t *users, const char *why)
{
	struct buf all = { 0 };

	family_list(&all, of, users);
	out_error(CTL_UNREACHABLE, "-n %s: %s: %s (choose with -p PID)", r->text, why, all.data);
	buf_free(&all);
	return CTL_UNREACHABLE;
}

static int out_of_memory(void)
{
	return out_error(CTL_UNREACHABLE, "memory ran out");
}

static int keep_role(const struct role *r, struct instances *part)
{
	struct verdict *v = calloc(part->count, sizeof(*v));
	size_t kept = 0;
	bool by_title;

	if (!v)
		return out_of_memory();
	judge(r->role, part, v);
	by_title = title_tells(v, part->count);
	for (size_t i = 0; i < part->count; i++)
		if (by_title ? v[i].by_title : v[i].by_structure)
			part->at[kept++] = part->at[i];
	free(v);
	part->count = kept;
	return CTL_DONE;
}

/* A daemon's workers have one user beside its own. A child of another may run anything, and call itself a worker. */
static int keep_index(const struct role *r, uid_t user, struct instances *part)
{
	uid_t *own = calloc(part->count + 1, sizeof(*own));
	int status = CTL_DONE;

	if (!own)
		return out_of_memory();
	family_own_users(part, own);
	own[part->count] = user;
	if (family_count(own, part->count + 1) > 2)
		status = refuse_users(r, part, own, "an index counts the workers of one user, and these are of several");
	free(own);
	if (status == CTL_DONE && r->index <= part->count)
		part->at[0] = part->at[r->index - 1];
	part->count = status == CTL_DONE && r->index <= part->count;
	return status;
}

static int append(struct instances *to, const struct instances *part)
{
	struct instance *new;

	for (size_t i = 0; i < part->count; i++) {
		new = find_append(to);
		if (!new)
			return out_of_memory();
		*new = part->at[i];
	}
	return CTL_DONE;
}

/* What is kept of those that belong to one user; `fit` gets those that have the role. */
static int keep_of_user(const struct role *r, uid_t user, struct instances *part, struct instances *fit)
{
	int status = *r->role ? keep_role(r, part) : CTL_DONE;

	if (status == CTL_DONE)
		status = append(fit, part);
	if (status == CTL_DONE && r->index && part->count)
		status = keep_index(r, user, part);
	return status;
}

static int take_those_of(const struct instances *found, const uid_t *users, uid_t user, struct instances *part)
{
	int status = CTL_DONE;

	for (size_t i = 0; i < found->count && status == CTL_DONE; i++)
		if (users[i] == user)
			status = append(part, &(struct instances){ .at = &found->at[i], .count = 1 });
	return status;
}

/* User by user. */
static int keep_each(const struct role *r, const struct instances *found, const uid_t *users, struct instances *kept,
		     struct instances *fit)
{
	int status = CTL_DONE;

	for (size_t i = 0; i < found->count && status == CTL_DONE; i++) {
		struct instances part = { 0 };

		if (!family_is_first(users, i))
			continue;
		status = take_those_of(found, users, users[i], &part);
		if (status == CTL_DONE)
			status = keep_of_user(r, users[i], &part, fit);
		if (status == CTL_DONE)
			status = append(kept, &part);
		find_free(&part);
	}
	return status;
}

int role_keep(const struct role *r, bool each, struct instances *found)
{
	struct instances kept = { .unfinished = found->unfinished }, fit = { 0 };
	uid_t *users = calloc(found->count + 1, sizeof(*users));
	int status = CTL_DONE;

	if (!users)
		return out_of_memory();
	family_users(found, users);
	if (!found->count)
		status = out_error(CTL_UNREACHABLE, "no instance fits -n %s (mtctl ls shows all)", r->text);
	else if (!each && (*r->role || r->index) && family_count(users, found->count) > 1)
		status = refuse_users(r, found, users, "several users have processes of that name");
	else
		status = keep_each(r, found, users, &kept, &fit);
	if (status == CTL_DONE && !fit.count)
		status = refuse_role(r, found);
	else if (status == CTL_DONE && !kept.count)
		status = refuse_index(r, &fit);
	if (status == CTL_DONE) {
		find_free(found);
		*found = kept;
		kept = (struct instances){ 0 };
	}
	free(users);
	find_free(&fit);
	find_free(&kept);
	return status;
}
