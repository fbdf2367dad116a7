/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists instances. All are asked at once, so that one that is stopped costs its second only once;
   what /proc knows is shown for it all the same, and for those of other users. */
#include "ls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_why.h"
#include "ask.h"
#include "base/clock.h"
#include "call.h"
#include "effort.h"
#include "layout.h"
#include "out.h"
#include "prune.h"
#include "shun.h"
#include "target.h"
#include "verify.h"

/* When the search has taken as long as it may (effort.h), or its machine is busy. */
#define ASK_LEAST_NS (400 * NS_PER_MS)

#define COLUMNS 8
#define CELL_MAX FIND_PATH_MAX

/* One instance, and what it said. */
struct row {
	const struct instance *at;
	bool informed, answered;
	bool refused; /* as by one that has too many clients */
	const char *silence; /* unless it has answered: why there is nothing to show of it but what /proc knows */
	uint64_t uptime_s, held;
	char allocator[64];
};

/* What mt.info says, then what mt.status says; what is of another type is no answer. */
static bool hear(struct asked *one, const struct answer *a)
{
	struct row *r = one->context;

	r->refused = a->refused;
	if (a->refused)
		return false;
	if (!r->informed) {
		r->informed = call_number(a->result, "uptime_s", &r->uptime_s);
		if (!call_text(a->result, "allocator", r->allocator, sizeof(r->allocator)))
			strcpy(r->allocator, "?");
		return r->informed;
	}
	r->answered = call_number(a->result, "held", &r->held);
	return false;
}

/* An instance hangs up on whoever may not ask it. */
static const char *silence(const struct instance *at, int rc)
{
	struct buf why = { 0 };
	bool is_refused = rc == -ECONNRESET && geteuid() != 0 && at->proc.pid;
	enum access who = ACCESS_USER;

	if (find_is_shunned(at, NULL))
		return "filter";
	if (is_refused || find_is_refused(at, NULL))
		who = access_why_process(at->proc.pid, &why);
	buf_free(&why);
	if (who == ACCESS_ROOT)
		return "only root may ask";
	if (find_is_refused(at, NULL) ||
	    (is_refused && (who == ACCESS_GROUP || !verify_is_user(geteuid(), &at->proc))))
		return "no permission";
	return "not answering";
}

static bool ask(struct row *rows, size_t count, uint64_t deadline_ns)
{
	struct asked *asked = calloc(count + 1, sizeof(*asked));
	struct buf requests = { 0 };

	if (!asked)
		return false;
	call_simple(&requests, "mt.info", 1);
	call_simple(&requests, "mt.status", 2);
	for (size_t i = 0; i < count; i++)
		asked[i] = (struct asked){ .at = rows[i].at, .context = &rows[i], .link = LINK_CLOSED };
	ask_all(asked, count, &requests, hear, deadline_ns);
	for (size_t i = 0; i < count; i++)
		rows[i].silence = rows[i].refused ? "refuses to answer" : silence(rows[i].at, asked[i].rc);
	buf_free(&requests);
	free(asked);
	return true;
}

/* 45s, 12m05s, 3h07m, 2d03h. */
static void ago(uint64_t seconds, char cell[CELL_MAX])
{
	unsigned long s = (unsigned long)seconds;

	if (s < 60)
		snprintf(cell, CELL_MAX, "%lus", s);
	else if (s < 3600)
		snprintf(cell, CELL_MAX, "%lum%02lus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(cell, CELL_MAX, "%luh%02lum", s / 3600, s / 60 % 60);
	else
		snprintf(cell, CELL_MAX, "%lud%02luh", s / 86400, s / 3600 % 24);
}

static const struct column {
	const char *head;
	bool number; /* to the right */
} columns[COLUMNS] = {
	{ "PID", true },    { "PARENT", true },     { "NAME", false }, { "UID", true },
	{ "UPTIME", true }, { "ALLOCATOR", false }, { "HELD", true },  { "SOCKET", false },
};

typedef char cells[COLUMNS][CELL_MAX];

static void fill(const struct row *r, cells c)
{
	const struct proc *p = &r->at->proc;

	snprintf(c[0], CELL_MAX, "%d", (int)p->pid);
	snprintf(c[1], CELL_MAX, "%d", (int)p->parent);
	snprintf(c[2], CELL_MAX, "%s", p->name);
	snprintf(c[3], CELL_MAX, "%u", (unsigned)p->uid);
	snprintf(c[4], CELL_MAX, "-");
	snprintf(c[5], CELL_MAX, "%s", r->silence);
	snprintf(c[6], CELL_MAX, "-");
	snprintf(c[7], CELL_MAX, "%s", *r->at->socket ? r->at->socket : "-");
	if (!r->answered)
		return;
	ago(r->uptime_s, c[4]);
	snprintf(c[5], CELL_MAX, "%s", r->allocator);
	snprintf(c[6], CELL_MAX, "%" PRIu64, r->held);
}

static void add_line(struct buf *b, const int width[COLUMNS], cells c)
{
	struct buf line = { 0 };

	for (int i = 0; i < COLUMNS; i++)
		buf_printf(&line, "%s%*s", i ? "  " : "",
			   i == COLUMNS - 1 ? 0 : columns[i].number ? width[i] : -width[i], c[i]);
	buf_char(&line, '\0');
	label_line(b, line.data);
	buf_char(b, '\n');
	buf_free(&line);
}

static void show_table(const struct row *rows, size_t count)
{
	int width[COLUMNS] = { 0 };
	struct buf b = { 0 };
	cells c;

	for (int i = 0; i < COLUMNS; i++)
		width[i] = (int)strlen(columns[i].head);
	for (size_t r = 0; r < count; r++) {
		fill(&rows[r], c);
		for (int i = 0; i < COLUMNS; i++)
			if ((int)strlen(c[i]) > width[i])
				width[i] = (int)strlen(c[i]);
	}
	for (int i = 0; i < COLUMNS; i++)
		snprintf(c[i], CELL_MAX, "%s", columns[i].head);
	add_line(&b, width, c);
	for (size_t r = 0; r < count; r++) {
		fill(&rows[r], c);
		add_line(&b, width, c);
	}
	out_text(&b);
	buf_free(&b);
}

static void add_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, ",\"%s\":", key);
	json_quote(b, text, strlen(text));
}

static void add_object(struct buf *b, const struct row *r)
{
	const struct proc *p = &r->at->proc;

	buf_printf(b, "{\"pid\":%d,\"parent\":%d", (int)p->pid, (int)p->parent);
	add_text(b, "name", p->name);
	buf_printf(b, ",\"uid\":%u", (unsigned)p->uid);
	if (r->answered) {
		buf_printf(b, ",\"uptime_s\":%" PRIu64, r->uptime_s);
		add_text(b, "allocator", r->allocator);
		buf_printf(b, ",\"held\":%" PRIu64, r->held);
	} else {
		add_text(b, "error", r->silence);
	}
	if (*r->at->socket)
		add_text(b, "socket", r->at->socket);
	buf_char(b, '}');
}

static void show_json(const struct row *rows, size_t count)
{
	struct buf b = { 0 };

	buf_char(&b, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(&b, ',');
		add_object(&b, &rows[i]);
	}
	buf_str(&b, "]\n");
	out_text(&b);
	buf_free(&b);
}

static int show(const struct options *o, const struct instances *found, uint64_t deadline_ns)
{
	uint64_t least_ns = clock_ns() + ASK_LEAST_NS;
	struct row *rows = calloc(found->count + 1, sizeof(*rows));
	int status = CTL_DONE;

	for (size_t i = 0; rows && i < found->count; i++)
		rows[i].at = &found->at[i];
	if (rows && ask(rows, found->count, deadline_ns > least_ns ? deadline_ns : least_ns))
		(o->json ? show_json : show_table)(rows, found->count);
	else
		status = out_error(CTL_UNREACHABLE, "memory ran out");
	free(rows);
	return status;
}

int ls_run(const struct options *o, int count, char **words)
{
	struct instances found = { 0 }, shunned = { 0 };
	uint64_t deadline_ns = clock_ns() + LS_NS;
	bool all_shunned;
	int status;

	if (count > 1)
		return out_error(CTL_USAGE, "'%s' is too much: ls takes -p, -n or -s", words[1]);
	effort_begin(EFFORT_SHUN_NS);
	all_shunned = shun_find(&shunned, 0);
	effort_begin(EFFORT_PRUNE_NS);
	if (all_shunned)
		prune_dirs(&shunned);
	status = target_list(o, &found);
	if (status == CTL_DONE) {
		effort_begin(EFFORT_PRUNE_NS);
		if (all_shunned)
			prune_beside(&found, &shunned);
		effort_end();
		status = show(o, &found, deadline_ns);
	}
	if (status == CTL_DONE && effort_left_at())
		out_note("not everything was looked at, since %s has too much in it "
			 "(-p PID finds one process all the same)",
			 effort_left_at());
	find_free(&found);
	find_free(&shunned);
	return status;
}
