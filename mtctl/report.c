/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects findings and shows them. */
#include "report.h"

#include <string.h>

#include "base/json.h"
#include "base/label.h"
#include "out.h"

static const char *const levels[] = { "", "ok", "note", "problem" };

static void add_member(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s\"%s\":", strcmp(key, "level") == 0 ? "{" : ",", key);
	json_quote(b, value, strlen(value));
}

static void add_json(struct buf *b, enum level level, const char *check, const char *text,
		     const char *remedy)
{
	add_member(b, "level", levels[level]);
	add_member(b, "check", check);
	add_member(b, "text", text);
	add_member(b, "remedy", remedy);
	buf_char(b, '}');
}

void report_add(struct report *r, enum level level, const struct check *check, const char *text)
{
	const char *remedy = level > LEVEL_OK ? check->remedy : "";
	struct buf whole = { 0 };

	r->problems += level == LEVEL_PROBLEM;
	if (level == LEVEL_NONE || (r->brief && level == LEVEL_OK))
		return;
	if (r->about)
		buf_printf(&whole, "%s: ", r->about);
	buf_str(&whole, text);
	if (r->json) {
		buf_str(&r->out, r->count ? "," : "");
		buf_char(&whole, '\0');
		add_json(&r->out, level, check->name, whole.data, remedy);
	} else {
		if (*remedy)
			buf_printf(&whole, " (%s)", remedy);
		buf_char(&whole, '\0');
		buf_printf(&r->out, "%-7s  %-11s  ", levels[level], check->name);
		label_line(&r->out, whole.data);
		buf_char(&r->out, '\n');
	}
	r->count++;
	buf_free(&whole);
}

void report_join(struct report *r, const struct report *part)
{
	if (!part->count)
		return;
	buf_str(&r->out, r->json && r->count ? "," : "");
	buf_add(&r->out, part->out.data, part->out.len);
	r->count += part->count;
	r->problems += part->problems;
}

bool report_checks(struct report *r, const struct check *checks, struct subject *s)
{
	struct buf text = { 0 };
	enum level level = LEVEL_NONE;
	bool ended = false;

	for (; checks->name && !ended; checks++) {
		buf_clear(&text, 0);
		level = checks->look(s, &text);
		buf_char(&text, '\0');
		report_add(r, level, checks, text.data);
		ended = level > LEVEL_OK && checks->ends;
	}
	buf_free(&text);
	return !ended;
}

int report_finish(struct report *r)
{
	struct buf all = { 0 };

	buf_str(&all, r->json ? "[" : "");
	if (r->out.len)
		buf_add(&all, r->out.data, r->out.len);
	buf_str(&all, r->json ? "]\n" : "");
	out_text(&all);
	buf_free(&all);
	buf_free(&r->out);
	return r->problems ? CTL_REFUSED : CTL_DONE;
}
