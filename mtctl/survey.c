/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at a process waits: for its name to appear, for its answer. So many are looked at at once, by workers. */
#include "survey.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "effort.h"
#include "library.h"
#include "workers.h"

static const struct check left_out = {
	.name = "unfinished",
	.remedy = "mtctl doctor PID looks at one; mtctl -t SEC doctor takes longer",
};

struct survey {
	const struct report *whole;
	void (*look)(struct report *r, pid_t pid);
	struct buf pids, scratch;
};

/* A worker's report, in front of its text. */
struct head {
	unsigned count, problems;
};

static pid_t pid_of(const struct survey *s, size_t n)
{
	pid_t pid;

	memcpy(&pid, s->pids.data + n * sizeof(pid), sizeof(pid));
	return pid;
}

static bool is_asked_for(struct survey *s, pid_t pid)
{
	const char *preload = proc_file(pid, "environ", &s->scratch) == 0 ? proc_env(&s->scratch, "LD_PRELOAD") : NULL;

	return preload && strstr(preload, LIBRARY_STEM);
}

/* One that takes too long to tell is looked at, too. */
static void choose(void *context, pid_t pid)
{
	struct survey *s = context;

	if (pid != getpid() &&
	    (proc_has_library(pid, &s->scratch) == 1 || is_asked_for(s, pid) || effort_is_over("/proc")))
		buf_add(&s->pids, &pid, sizeof(pid));
}

static void look_at(void *context, size_t n, struct buf *out)
{
	struct survey *s = context;
	struct report part = { .json = s->whole->json };
	struct head head;

	s->look(&part, pid_of(s, n));
	head = (struct head){ part.count, part.problems };
	buf_add(out, &head, sizeof(head));
	if (part.out.len)
		buf_add(out, part.out.data, part.out.len);
	buf_free(&part.out);
}

static void join(struct report *r, const struct piece *p)
{
	struct report part = { .json = r->json };
	struct head head;

	memcpy(&head, p->out.data, sizeof(head));
	part.count = head.count;
	part.problems = head.problems;
	part.out = (struct buf){ .data = p->out.data + sizeof(head), .len = p->out.len - sizeof(head) };
	report_join(r, &part);
}

static void tell_left(struct report *r, size_t left)
{
	struct buf text = { 0 };

	buf_printf(&text, "%zu %s not looked at: %s", left, left == 1 ? "process was" : "processes were",
		   "there are too many, or others took too long");
	buf_char(&text, '\0');
	report_add(r, LEVEL_NOTE, &left_out, text.data);
	buf_free(&text);
}

void survey_processes(struct report *r, void (*look)(struct report *r, pid_t pid), uint64_t deadline_ns)
{
	struct survey s = { .whole = r, .look = look };
	struct piece *pieces;
	size_t count, left;

	effort_begin(EFFORT_SURVEY_NS);
	left = proc_each(choose, &s);
	effort_end();
	count = s.pids.len / sizeof(pid_t);
	pieces = calloc(count + 1, sizeof(*pieces));
	if (pieces)
		workers_run(pieces, count, look_at, &s, deadline_ns);
	for (size_t n = 0; n < count; n++) {
		if (pieces && pieces[n].done)
			join(r, &pieces[n]);
		else
			left++;
		if (pieces)
			buf_free(&pieces[n].out);
	}
	if (left)
		tell_left(r, left);
	free(pieces);
	buf_free(&s.pids);
	buf_free(&s.scratch);
}
