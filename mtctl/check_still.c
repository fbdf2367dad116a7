/* SPDX-License-Identifier: BSD-2-Clause */
/* Does nothing in a process move, and why? Told from what the kernel shows, never from silence alone. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cgroup.h"
#include "check.h"
#include "task.h"

#define WATCH_NS (300 * NS_PER_MS)
#define RIVALS_MAX 128
#define NAMELESS_NS (5 * NS_PER_MS)

static bool is_stopped(const struct subject *s, pid_t thread, struct task *t)
{
	return thread && task_read(s->proc.pid, thread, t) && strchr("Tt", t->state);
}

/* A tracer may hold a single thread. */
static enum level stopped(struct subject *s, struct buf *text)
{
	struct task t;
	struct proc tracer;
	long by = proc_field(s->status.data, "\nTracerPid:\t", false);
	bool ours = is_stopped(s, s->thread, &t);

	if (!ours && !is_stopped(s, s->proc.pid, &t))
		return LEVEL_NONE;
	buf_printf(text, "it is stopped%s", t.state == 't' ? " by its tracer" : "");
	if (t.state == 't' && by > 0 && proc_read((pid_t)by, &tracer))
		buf_printf(text, ", %ld (%s)", by, tracer.name);
	buf_str(text, ours ? ": nothing in it answers" : ": its first thread does not move");
	return LEVEL_PROBLEM;
}

/* Is the group frozen? Both versions show that of a group below a frozen one, too. */
static bool is_frozen(const char *group)
{
	char state[128];

	return (cgroup_file(group, "freezer.state", state, sizeof(state)) && strncmp(state, "FR", 2) == 0) ||
	       (cgroup_file(group, "cgroup.events", state, sizeof(state)) && strstr(state, "frozen 1"));
}

static bool was_asked_to_freeze(const char *group)
{
	char asked[16];

	return (cgroup_file(group, "freezer.self_freezing", asked, sizeof(asked)) ||
		cgroup_file(group, "cgroup.freeze", asked, sizeof(asked))) && *asked == '1';
}

/* The group to be thawed: it, or the last of those above that is frozen. */
static bool is_not_to_blame(void *context, const char *group)
{
	bool frozen = is_frozen(group);

	if (frozen)
		snprintf(context, PATH_MAX, "%s", group);
	return !frozen || !was_asked_to_freeze(group);
}

static enum level frozen(struct subject *s, struct buf *text)
{
	char group[PATH_MAX] = "";

	cgroup_each(s->proc.pid, "freezer", is_not_to_blame, group);
	if (!*group)
		return LEVEL_NONE;
	buf_printf(text, "its control group %s is frozen: nothing in it answers", group);
	return LEVEL_PROBLEM;
}

/* The thread that waits for a processor: ours, or, before it has a name, one that has hardly run. Until then ours only
   naps. */
struct waiting {
	struct task task;
	bool found;
};

static bool is_not_waiting(void *context, pid_t pid, pid_t tid)
{
	struct waiting *w = context;

	w->found = tid != pid && task_read(pid, tid, &w->task) && w->task.state == 'R' && w->task.ran_ns < NAMELESS_NS;
	return !w->found;
}

static bool find_waiting(const struct subject *s, struct task *t)
{
	struct waiting w = { .found = false };

	if (s->thread)
		return task_read(s->proc.pid, s->thread, t) && t->state == 'R';
	proc_each_thread(s->proc.pid, is_not_waiting, &w);
	*t = w.task;
	return w.found;
}

/* The real-time threads on its processor. */
struct rivals {
	int processor;
	unsigned count;
	struct task task[RIVALS_MAX];
};

static bool add_rival(void *context, pid_t pid, pid_t tid)
{
	struct rivals *r = context;
	struct task *t = &r->task[r->count];

	r->count += task_read(pid, tid, t) && task_is_realtime(t) && t->processor == r->processor;
	return r->count < RIVALS_MAX;
}

static void add_rivals(void *context, pid_t pid)
{
	const struct rivals *r = context;

	if (r->count < RIVALS_MAX)
		proc_each_thread(pid, add_rival, context);
}

/* Who of them has run for most of the time since? */
static const struct task *busy_rival(const struct rivals *r, uint64_t watched_ns)
{
	struct task now;

	for (unsigned i = 0; i < r->count; i++)
		if (task_read(r->task[i].pid, r->task[i].tid, &now) &&
		    now.ran_ns - r->task[i].ran_ns > watched_ns / 2)
			return &r->task[i];
	return NULL;
}

static void name_rival(struct buf *text, const struct task *rival)
{
	char policy[64];
	struct proc p;

	task_describe(rival, policy, sizeof(policy));
	proc_read(rival->pid, &p);
	buf_printf(text, "; thread %d of %d (%s) keeps processor %d, under %s", (int)rival->tid, (int)rival->pid, p.name,
		   rival->processor, policy);
}

static enum level starved(struct subject *s, struct buf *text)
{
	struct rivals rivals;
	const struct timespec watch = { .tv_nsec = WATCH_NS };
	const struct task *rival;
	struct task before, after;
	uint64_t start = clock_ns(), watched;
	char policy[64];

	if (!find_waiting(s, &before))
		return LEVEL_NONE;
	rivals = (struct rivals){ .processor = before.processor };
	proc_each(add_rivals, &rivals);
	nanosleep(&watch, NULL);
	watched = clock_ns() - start;
	if (!task_read(before.pid, before.tid, &after) || after.state != 'R' ||
	    after.ran_ns - before.ran_ns > watched / 10)
		return LEVEL_NONE;
	rival = busy_rival(&rivals, watched);
	task_describe(&after, policy, sizeof(policy));
	buf_printf(text, "%s: ", subject_lack(s));
	buf_printf(text, "its thread %d is starved: ready to run under %s, it got %u of %u ms", (int)after.tid, policy,
		   (unsigned)((after.ran_ns - before.ran_ns) / NS_PER_MS), (unsigned)(watched / NS_PER_MS));
	if (rival)
		name_rival(text, rival);
	return LEVEL_PROBLEM;
}

static enum level blocked(struct subject *s, struct buf *text)
{
	struct buf where = { 0 };
	struct task ours;
	char file[48];

	if (!s->thread || !task_read(s->proc.pid, s->thread, &ours) || ours.state != 'D')
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_str(text, "its thread waits inside the kernel");
	snprintf(file, sizeof(file), "task/%d/wchan", (int)s->thread);
	if (proc_file(s->proc.pid, file, &where) == 0 && where.len > 1 && strcmp(where.data, "0") != 0)
		buf_printf(text, " (%s)", where.data);
	buf_str(text, ": for a file system, or for memory of its control group");
	buf_free(&where);
	return LEVEL_PROBLEM;
}

const struct check still_checks[] = {
	{ "stopped", stopped, "kill -CONT PID, or let its debugger go on", true, false },
	{ "frozen", frozen, "thaw it: echo THAWED >freezer.state, echo 0 >cgroup.freeze, docker unpause, systemctl thaw",
	  true, false },
	{ 0 },
};

const struct check starved_checks[] = {
	{ "starved", starved, "let it sleep now and then, or give our thread another processor or policy: taskset -cp "
			      "LIST THREAD, chrt -o -p 0 THREAD", true, false },
	{ "blocked", blocked, "see whether a file system is frozen or gone, and whether its cgroup is at its limit", true,
	  false },
	{ 0 },
};
