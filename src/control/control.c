/* SPDX-License-Identifier: BSD-2-Clause */
/* Our thread: one loop that waits for clients and for the next deadline, and does everything that
   is not the host's own doing. */
#include "control.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/log.h"
#include "control/fork.h"
#include "control/last.h"
#include "control/publish.h"
#include "control/rights.h"
#include "control/server.h"
#include "control/setting.h"
#include "control/socket.h"
#include "control/stop.h"
#include "control/thread.h"
#include "control/trial.h"
#include "control/trimmer.h"
#include "host/real.h"
#include "host/trim.h"
#include "inject/bulk.h"
#include "inject/hand.h"
#include "inject/lease.h"
#include "inject/reset.h"
#include "inject/sched.h"

/* Processes that end sooner never have a name in the file system. */
#define BIND_AFTER_NS (50 * NS_PER_MS)

static atomic_bool active; /* there is a thread of ours */
static atomic_bool wanted; /* there is to be one: it may be that there is none for a moment, or none could be started */
static atomic_uint changes;
static struct sleeper us;
static atomic_bool stopping;
static pid_t owner; /* the process that our thread belongs to */
static uint64_t start_ns;
static char program[64];

/* What a call of ours on one of the host's threads leaves as it was. Cancelled in the midst of it, the thread
   would take along what it has in hand. */
struct visit {
	int error, cancel_state;
};

static struct visit visit_begin(void)
{
	struct visit v = { .error = errno };

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &v.cancel_state);
	return v;
}

static void visit_end(struct visit v)
{
	pthread_setcancelstate(v.cancel_state, NULL);
	errno = v.error;
}

bool control_is_active(void)
{
	return atomic_load(&active);
}

bool control_is_wanted(void)
{
	return atomic_load(&wanted);
}

unsigned control_changes(void)
{
	return atomic_load(&changes);
}

uint64_t control_start_ns(void)
{
	return start_ns;
}

const char *control_program(void)
{
	return program;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Waits outside the gate. True when stop_fd has become readable. */
static bool wait_for_more(uint64_t deadline_ns)
{
	const int others[SERVER_OTHERS] = { atomic_load(&us.fd), stop_fd() };
	unsigned readable;

	gate_leave();
	readable = server_wait(deadline_ns, others);
	gate_enter_last();
	if (readable & 1) {
		thread_was_woken(&us);
		socket_told();
	}
	return readable & 2;
}

static void *run(void *unused)
{
	uint64_t bind_ns = start_ns + BIND_AFTER_NS;
	struct slice slice;
	bool told = false;

	(void)unused;
	thread_rest(&us, bind_ns);
	if (thread_settle(trial_thread_name()) < 0) {
		atomic_store(&active, false); /* without a table of our own we would be noticed */
		reset_here();
		return NULL;
	}
	thread_can_be_woken(&us);
	gate_enter_last();
	publish_begin(bind_ns);
	setting_start();
	while (!atomic_load(&stopping)) {
		publish_run();
		server_handle();
		sched_run(SLICE_NS);
		slice = slice_of(SLICE_NS);
		if (job_run(&slice))
			server_tell_progress();
		lease_run();
		stop_run(told);
		uint64_t next_ns = earlier(earlier(publish_next_ns(), lease_next_ns()), stop_next_ns());

		next_ns = earlier(next_ns, earlier(job_next_ns(), sched_next_ns()));
		told = wait_for_more(next_ns);
	}
	server_stop();
	socket_withdraw();
	stop_end();
	atomic_store(&us.tid, 0); /* inside the gate, where others look before they wake us */
	log_forget();
	gate_leave();
	return NULL;
}

static void start_thread(void)
{
	start_ns = clock_ns();
	owner = kernel_pid();
	atomic_store(&wanted, true);
	rights_note();
	atomic_store(&stopping, false);
	atomic_store(&us.tid, 0);
	atomic_store(&active, true);
	if (thread_start(run) < 0)
		atomic_store(&active, false);
}

static bool end_thread(void)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	pid_t tid = 0;

	if (!control_is_active() || owner != kernel_pid())
		return false;
	while (control_is_active() && !(tid = atomic_load(&us.tid)))
		kernel_nanosleep(&moment, NULL); /* it has only just been started */
	/* One that cannot be woken would end at some time, beside the next one. */
	if (!control_is_active() || atomic_load(&us.fd) < 0 || atomic_exchange(&stopping, true))
		return false;
	atomic_fetch_add(&changes, 1);
	thread_wake(&us);
	thread_wait_gone(tid);
	trimmer_wait();
	atomic_store(&active, false);
	return true;
}

bool control_pause(void)
{
	struct visit v = visit_begin();
	bool paused = end_thread();

	visit_end(v);
	return paused;
}

bool control_end(void)
{
	struct visit v = visit_begin();
	bool paused = end_thread();

	if (paused) {
		atomic_store(&wanted, false);
		reset_here();
		atomic_fetch_add(&changes, 1);
	}
	visit_end(v);
	return paused;
}

void control_resume(void)
{
	struct visit v = visit_begin();

	atomic_fetch_or(&changes, 1);
	start_thread();
	if (!control_is_active())
		reset_here(); /* nobody will be asked to any more */
	atomic_fetch_add(&changes, 1);
	visit_end(v);
}

void control_thread_ends(void)
{
	if (control_is_active() && kernel_tid() == owner)
		last_by_call();
}

bool control_rights_change(void)
{
	return control_is_active() && owner == kernel_pid() && !rights_are_noted() && control_pause();
}

void control_rights_changed(bool paused)
{
	if (paused)
		control_resume();
	else if (control_is_active() && owner == kernel_pid())
		rights_note();
}

/* In the child, whose only thread this is. What the parent had injected is in our heap too. */
static void restart_in_child(void)
{
	bool follow = control_is_wanted() && atomic_load(&fork_mode) == FORK_FOLLOW;

	bulk_adopt(); /* before the connections, in which the jobs are */
	server_forget();
	stop_forget();
	trimmer_forget();
	socket_begin(true);
	log_forget();
	lease_begin();
	last_in_child();
	atomic_store(&changes, 0);
	atomic_store(&active, false);
	if (follow)
		start_thread();
}

/* A program that is left alone pays for what is called here: fnmatch only where there is a pattern. */
static bool matches(const char *pattern, size_t length)
{
	char one[64];

	if (length >= sizeof(one))
		return false;
	memcpy(one, pattern, length);
	one[length] = '\0';
	return strpbrk(one, "*?[\\") ? fnmatch(one, program, 0) == 0 : strcmp(one, program) == 0;
}

/* $MTPRELOAD_ONLY: patterns of program names, with commas between them. */
static bool is_chosen(void)
{
	const char *patterns = getenv("MTPRELOAD_ONLY"), *end;

	for (; patterns && *patterns; patterns = end + (*end == ',')) {
		for (end = patterns; *end && *end != ',';)
			end++;
		if (matches(patterns, (size_t)(end - patterns)))
			return true;
	}
	return !patterns;
}

void control_start(void)
{
	int saved = errno;

	/* A program with more rights than its caller does not obey the caller's environment. */
	if (getauxval(AT_SECURE))
		return;
	strncpy(program, program_invocation_short_name, sizeof(program) - 1);
	if (!is_chosen() || !trial_is_passed()) {
		errno = saved;
		return;
	}
	real_settle();
	trim_settle();
	setting_read_environment();
	socket_read_environment();
	thread_begin();
	socket_begin(false);
	last_begin();
	lease_begin();
	if (fork_follow(restart_in_child) == 0)
		start_thread();
	errno = saved;
}

void control_stop(bool quick)
{
	if (control_is_active())
		socket_remove(!quick);
}

/* Inside the gate our thread cannot end, so that its number is its own. */
static void wake_thread(void)
{
	gate_enter();
	if (control_is_active() && atomic_load(&us.tid))
		thread_wake(&us);
	gate_leave();
}

int control_mem_alloc(size_t size)
{
	struct visit v = visit_begin();
	int error = 0;

	real_settle(); /* a program that was left alone may inject into itself all the same */
	if (stop_refuses_host())
		error = EPERM;
	else if (hand_alloc(size) < 0)
		error = ENOMEM;
	else if (stop_wants_watch() || lease_has_expired())
		wake_thread();
	visit_end(v);
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

void control_mem_free(void)
{
	struct visit v = visit_begin();

	hand_free();
	visit_end(v);
}
