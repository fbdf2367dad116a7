/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the library's thread is not there, has no socket or does not answer: what limits the process. Only looked at where
   one of these is so. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "cgroup.h"
#include "check.h"
#include "filter.h"
#include "task.h"

#define KIB 1024L
#define ROOM_BYTES (2048 * KIB) /* our thread's stack, its heap, and buffers for a client */
#define ROOM_DESCRIPTORS 4      /* while it binds; the last one is a client's */
#define ROOM_MAPPINGS 16
#define CAP_IPC_LOCK 14
#define POLICY_DEADLINE 6

/* A limit that is in force, from the contents of a limits file; -1 where there is none. */
static long limit_of(const struct subject *s, const char *label)
{
	struct buf limits = { 0 };
	const char *at = NULL;
	long most = -1;

	if (proc_file(s->proc.pid, "limits", &limits) == 0)
		at = strstr(limits.data, label);
	if (at) {
		at += strlen(label);
		at += strspn(at, " ");
		most = strncmp(at, "unlimited", 9) == 0 ? -1 : strtol(at, NULL, 10);
	}
	buf_free(&limits);
	return most;
}

struct census {
	uid_t uid;
	long tasks;
	struct buf status;
};

static void count_tasks(void *context, pid_t pid)
{
	struct census *c = context;

	if (proc_file(pid, "status", &c->status) == 0 &&
	    (uid_t)proc_field(c->status.data, "\nUid:\t", false) == c->uid)
		c->tasks += proc_field(c->status.data, "\nThreads:\t", false);
}

static enum level processes(struct subject *s, struct buf *text)
{
	struct census c = { .uid = (uid_t)proc_field(s->status.data, "\nUid:\t", false) };
	long most = limit_of(s, "Max processes ");

	if (s->thread || c.uid == 0 || most <= 0)
		return LEVEL_NONE;
	proc_each(count_tasks, &c);
	buf_free(&c.status);
	if (c.tasks < most)
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_printf(text, "uid %u has %ld processes and threads, and may have %ld (ulimit -u): there was no room "
			 "for the library's",
		   (unsigned)c.uid, c.tasks, most);
	return LEVEL_PROBLEM;
}

struct full {
	char group[PATH_MAX], most[32];
};

static bool is_not_full(void *context, const char *group)
{
	struct full *f = context;
	char now[32];

	if (!cgroup_file(group, "pids.max", f->most, sizeof(f->most)) ||
	    !cgroup_file(group, "pids.current", now, sizeof(now)) || strncmp(f->most, "max", 3) == 0 ||
	    strtol(now, NULL, 10) < strtol(f->most, NULL, 10))
		return true;
	snprintf(f->group, sizeof(f->group), "%s", group);
	return false;
}

static enum level pids(struct subject *s, struct buf *text)
{
	struct full f = { .group = "" };

	if (!s->thread)
		cgroup_each(s->proc.pid, "pids", is_not_full, &f);
	if (!*f.group)
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_printf(text, "its control group may have %ld processes and threads, and has them (%s/pids.max)",
		   strtol(f.most, NULL, 10), f.group);
	return LEVEL_PROBLEM;
}

/* The kernel refuses such a thread every other one, by EAGAIN, since bandwidth cannot be inherited. */
static enum level deadline(struct subject *s, struct buf *text)
{
	struct task t;

	if (s->thread || !task_read(s->proc.pid, s->proc.pid, &t) || t.policy != POLICY_DEADLINE || t.resets)
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_str(text, "it runs under SCHED_DEADLINE, and the kernel refuses such a program threads and children "
		      "(EAGAIN)");
	return LEVEL_PROBLEM;
}

static enum level descriptors(struct subject *s, struct buf *text)
{
	long most = limit_of(s, "Max open files ");
	long have = s->thread ? bound_descriptors(s->proc.pid, s->thread) : -1;

	if (most < 0 || have < 0 || have + ROOM_DESCRIPTORS < most)
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_printf(text, "a table of descriptors may have %ld in it (ulimit -n), and the library's own has %ld of them "
			 "already: too few for a socket and its clients",
		   most, have);
	return LEVEL_PROBLEM;
}

/* What the kernel counts in the process, and what may be had of it. */
static const struct {
	const char *label, *field, *is_used, *option;
	bool locks; /* not for whoever may lock all memory */
} memory_limits[] = {
	{ "Max address space ", "\nVmSize:\t", "of address space are used", "-v", false },
	{ "Max data size ", "\nVmData:\t", "of data are used", "-d", false },
	{ "Max locked memory ", "\nVmLck:\t", "are locked, as by mlockall", "-l", true },
};

static bool may_lock(const struct subject *s)
{
	const char *at = strstr(s->status.data, "\nCapEff:\t");

	return at && (strtoull(at + strlen("\nCapEff:\t"), NULL, 16) >> CAP_IPC_LOCK & 1);
}

static enum level memory(struct subject *s, struct buf *text)
{
	for (size_t i = 0; i < sizeof(memory_limits) / sizeof(memory_limits[0]); i++) {
		long most = limit_of(s, memory_limits[i].label);
		long used = proc_field(s->status.data, memory_limits[i].field, false) * KIB;

		if (most < 0 || used + ROOM_BYTES <= most || (memory_limits[i].locks && (!used || may_lock(s))))
			continue;
		buf_printf(text, "%s: %ld KiB %s, and it may have %ld KiB (ulimit %s): too little is left for a thread "
				 "and its buffers",
			   subject_lack(s), used / KIB, memory_limits[i].is_used, most / KIB, memory_limits[i].option);
		return LEVEL_PROBLEM;
	}
	return LEVEL_NONE;
}

static enum level mappings(struct subject *s, struct buf *text)
{
	char most[32];
	long have = 0;

	for (const char *at = s->maps.data; (at = strchr(at, '\n')); at++)
		have++;
	if (!cgroup_file("/proc/sys/vm", "max_map_count", most, sizeof(most)) ||
	    have + ROOM_MAPPINGS < strtol(most, NULL, 10))
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_printf(text, "it has %ld mappings, of the %ld that the kernel allows (vm.max_map_count)", have,
		   strtol(most, NULL, 10));
	return LEVEL_PROBLEM;
}

static enum level filter(struct subject *s, struct buf *text)
{
	if (!filter_count(&s->status))
		return LEVEL_NONE;
	buf_printf(text, "%s: ", subject_lack(s));
	buf_str(text, "it has a seccomp filter: ");
	if (s->thread)
		buf_str(text, "one that was there before it may refuse what our thread calls (socket, bind, listen, accept4)");
	else
		buf_str(text, "a program that installs one itself is left alone from then on; one that was there before it may "
			      "kill for what the library calls (a process of its own has tried), or refuse threads, or a table "
			      "of descriptors for one (close_range, unshare)");
	return LEVEL_PROBLEM;
}

const struct check limit_checks[] = {
	{ "limit", processes, "raise its limit of processes (ulimit -u, LimitNPROC=), and start it again", true, false },
	{ "limit", pids, "raise that limit (TasksMax=, docker run --pids-limit), and start it again", true, false },
	{ "policy", deadline, "start it by chrt --reset-on-fork: its threads then have an ordinary policy", true, false },
	{ "limit", descriptors, "raise that limit (ulimit -n, LimitNOFILE=): prlimit --nofile=64 --pid PID", true, false },
	{ "limit", memory, "raise that limit: prlimit --pid PID (LimitAS=, LimitDATA=, LimitMEMLOCK=)", true, false },
	{ "limit", mappings, "sysctl vm.max_map_count=262144", true, false },
	{ "seccomp", filter, "start it without the filter, or let one that was there before it allow sockets, signals, "
			     "clone3 and close_range", true, false },
	{ 0 },
};
