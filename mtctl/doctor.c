/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks at a program, a process, or at all of this machine, by the tables of check.h. */
#include "doctor.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access_why.h"
#include "base/clock.h"
#include "library.h"
#include "out.h"
#include "report.h"
#include "survey.h"

#define SUBJECT_EMPTY { .library_elf = ELF_CLOSED, .elf = ELF_CLOSED, .link = LINK_CLOSED }

#define YOUNG_NS NS_PER_S

static const struct check process_check = { .name = "process" };

bool doctor_is_fatal(const char *program, const char *library, char *why, size_t cap)
{
	struct subject s = SUBJECT_EMPTY;
	struct buf text = { 0 };
	bool fatal = false;

	subject_library(&s, 0, library);
	if (subject_program(&s, program) == 0 && s.elf_rc == 0 && s.elf.interpreter[0])
		for (const struct check *c = program_checks; c->name && !fatal; c++) {
			buf_clear(&text, 0);
			if (!c->fatal || c->look(&s, &text) != LEVEL_PROBLEM)
				continue;
			snprintf(why, cap, "%.*s (%s)", (int)text.len, text.data, c->remedy);
			fatal = true;
		}
	buf_free(&text);
	subject_free(&s);
	return fatal;
}

static int doctor_program(struct report *r, const char *program)
{
	struct subject s = SUBJECT_EMPTY;
	int rc = subject_program(&s, program);

	if (rc < 0) {
		subject_free(&s);
		buf_free(&r->out);
		return out_error(CTL_UNREACHABLE, "cannot look at %s: %s", program, strerror(-rc));
	}
	report_checks(r, library_checks, &s);
	report_checks(r, program_checks, &s);
	subject_free(&s);
	return report_finish(r);
}

/* Where it names no library that could be looked at, ours stands for it. */
static void assume_library(struct subject *s)
{
	char path[PATH_MAX], why[LIBRARY_WHY_MAX];

	if (s->library_elf.fd < 0 && library_find(path, why) == CTL_DONE)
		subject_library(s, 0, path);
}

static uint64_t age_ns(pid_t pid)
{
	struct buf stat = { 0 };
	struct timespec now;
	const char *at = NULL;
	uint64_t ticks = 0, since;

	if (proc_file(pid, "stat", &stat) == 0)
		at = strrchr(stat.data, ')');
	for (int i = 0; at && i < 20; i++) /* behind the name: the 22nd field is its start */
		at = strchr(at + 1, ' ');
	if (at)
		ticks = strtoull(at, NULL, 10);
	buf_free(&stat);
	clock_gettime(CLOCK_BOOTTIME, &now);
	since = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	ticks *= NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	return since > ticks ? since - ticks : 0;
}

/* A process that has only just been started or forked is given the time to load the library, and to
   start its thread. */
static int gather(struct subject *s, pid_t pid, bool *has_library)
{
	const struct timespec moment = { .tv_nsec = 50 * NS_PER_MS };
	int rc;

	for (;;) {
		rc = subject_process(s, pid, has_library);
		if (rc < 0 || (!*has_library && !s->preload) || (*has_library && s->thread) ||
		    age_ns(pid) > YOUNG_NS)
			return rc;
		subject_free(s);
		*s = (struct subject)SUBJECT_EMPTY;
		nanosleep(&moment, NULL);
	}
}

/* Why there is something lacking is told first; only where that cannot be seen, what it is. */
static void look_at_thread(struct report *r, struct subject *s)
{
	if (!report_checks(r, present_checks, s) || !report_checks(r, still_checks, s) ||
	    !report_checks(r, thread_checks, s) || (s->thread && !report_checks(r, reach_checks, s)))
		return;
	if (!subject_lack(s))
		report_checks(r, answer_checks, s);
	else if (report_checks(r, starved_checks, s) && report_checks(r, limit_checks, s))
		report_checks(r, lack_checks, s);
}

static void look_into(struct report *r, struct subject *s, bool has_library)
{
	if (has_library) {
		look_at_thread(r, s);
		return;
	}
	assume_library(s);
	if (report_checks(r, absent_checks, s) && report_checks(r, program_checks, s))
		report_checks(r, puzzle_checks, s);
}

static int cannot_look(const struct subject *s, pid_t pid, int rc)
{
	const char *remedy = "run mtctl as that user, or as root";
	struct buf why = { 0 };
	int status;

	if (rc == -ESRCH)
		return out_error(CTL_UNREACHABLE, "there is no process %d", (int)pid);
	if (geteuid() == 0)
		remedy = "it has rights that this root has not: run mtctl outside of its container";
	else if (access_why(s->proc.pid, s->status.data, &why) != ACCESS_USER)
		remedy = (buf_add(&why, "", 1), why.data);
	else if (geteuid() == s->proc.uid)
		remedy = "it had other rights before, so the kernel keeps it from its user: run mtctl as root";
	status = out_error(CTL_UNREACHABLE, "uid %u may not look into process %d (%s) of uid %u (%s)",
			   (unsigned)geteuid(), (int)pid, s->proc.name, (unsigned)s->proc.uid, remedy);
	buf_free(&why);
	return status;
}

static int doctor_process(struct report *r, pid_t pid)
{
	struct subject s = SUBJECT_EMPTY;
	bool has_library = false;
	int status, rc = gather(&s, pid, &has_library);
	const char *state = rc == 0 ? strstr(s.status.data, "\nState:\t") : NULL;

	s.asked = true;
	if (rc < 0) {
		status = cannot_look(&s, pid, rc);
	} else if (state && strchr("ZX", state[8]) && s.maps.len <= 1) {
		status = out_error(CTL_UNREACHABLE, "process %d (%s) has ended", (int)pid, s.proc.name);
	} else if (s.maps.len < 2 && s.elf_rc < 0) {
		status = out_error(CTL_UNREACHABLE, "%d (%s) is a thread of the kernel", (int)pid,
				   s.proc.name);
	} else {
		look_into(r, &s, has_library);
		status = report_finish(r);
	}
	subject_free(&s);
	return status;
}

/* One that has it, or was to have it, in a report of its own. */
static void doctor_one_of_all(struct report *r, pid_t pid)
{
	struct subject s = SUBJECT_EMPTY;
	char about[PROC_NAME_MAX + 32];
	bool has_library = false;

	if (gather(&s, pid, &has_library) == 0 && (has_library || s.preload) && s.maps.len > 1) {
		snprintf(about, sizeof(about), "%d (%s)", (int)pid, s.proc.name);
		r->about = about;
		r->brief = true;
		look_into(r, &s, has_library);
		r->brief = false;
		if (!r->count)
			report_add(r, LEVEL_OK, &process_check,
				   s.found.count ? s.found.at[0].socket : "at work");
		r->about = NULL;
		if (!proc_read(pid, &s.proc)) { /* it has ended meanwhile, which explains much */
			r->out.len = 0;
			r->count = r->problems = 0;
		}
	}
	subject_free(&s);
}

/* Unless -t tells it, which has no limit beside the total. */
static uint64_t survey_ns(const struct patience *patience)
{
	return patience->idle_ns ? SURVEY_NS : patience->total_ns;
}

static int doctor_machine(struct report *r, const struct patience *patience)
{
	const uint64_t now = clock_ns(), whole_ns = survey_ns(patience);
	struct subject s = SUBJECT_EMPTY;

	report_checks(r, library_checks, &s);
	report_checks(r, machine_checks, &s);
	subject_free(&s);
	survey_processes(r, doctor_one_of_all, whole_ns ? now + whole_ns : CLOCK_NEVER);
	return report_finish(r);
}

int doctor_run(const struct options *o, int count, char **words)
{
	struct report r = { .json = o->json };
	char *end = NULL;
	long pid;

	if (o->name || o->socket || o->all)
		return out_error(CTL_USAGE, "doctor takes a PID, or -- PROGRAM");
	if (o->pid)
		return doctor_process(&r, o->pid);
	if (count < 2)
		return doctor_machine(&r, &o->patience);
	if (o->behind_dashes)
		return doctor_program(&r, words[1]);
	pid = strtol(words[1], &end, 10);
	if (!isdigit((unsigned char)*words[1]) || *end || pid < 1 || pid > INT32_MAX || count > 2)
		return out_error(CTL_USAGE, "'%s' is no process id (a program stands behind --: mtctl "
					    "doctor -- %s)",
				 words[count > 2 ? 2 : 1], words[1]);
	return doctor_process(&r, (pid_t)pid);
}
