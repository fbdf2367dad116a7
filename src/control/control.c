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
#include "base/signals.h"
#include "control/fork.h"
#include "control/last.h"
#include "control/life.h"
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
#include "inject/record.h"
#include "inject/reset.h"
#include "inject/sched.h"

/* Processes that end sooner never have a name in the file system. */
#define BIND_AFTER_NS (50 * NS_PER_MS)

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
	return life_is_active();
}

bool control_is_wanted(void)
{
	return life_is_wanted();
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
	bool told;

	gate_leave();
	told = server_wait(life_sleeper(), deadline_ns, stop_fd());
	socket_remove();
	gate_enter_last();
	if (sleep_noticed())
		socket_told();
	return told;
}

/* Once it is not held up any more: it can tell nobody before. */
static void tell_held_up(void)
{
	static unsigned told;
	unsigned now = life_waits_in_vain();

	if (now > told)
		record_line("this thread was held up in the kernel: %u calls of the host's went on beside it", now - told);
	told = now; /* in a child, again 0 */
}

/* Inside the gate, until there is an order to end. */
static void serve(uint64_t bind_ns)
{
	struct slice slice;
	bool told = false;

	publish_begin(bind_ns);
	while (life_goes_on()) {
		tell_held_up();
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
	socket_withdraw(); /* before the listener closes: a dead socket's name may be another's at once */
	server_stop();
	stop_end();
}

static void *run(void *unused)
{
	uint64_t bind_ns = life_start_ns() + BIND_AFTER_NS;
	bool left;

	(void)unused;
	life_enter();
	sleep_rest(life_sleeper(), bind_ns);
	if (thread_settle(trial_thread_name()) < 0) {
		reset_here(); /* without a table of our own we would be noticed */
		life_gives_up();
		return NULL;
	}
	sleep_begin(life_sleeper());
	fork_follow_late();
	gate_enter_last();
	setting_start();
	do
		serve(bind_ns);
	while (!(left = life_is_left()) && !life_is_over());
	log_forget();
	gate_leave();
	/* Where it is over, the next life may have begun, and be left already. */
	if (left) {
		reset_here();
		life_gives_up();
	}
	return NULL;
}

static bool start_thread(void)
{
	rights_note();
	life_begin(run);
	return life_is_active();
}

/* Is the calling thread the one whose rights are the process's? */
static bool is_followed(void)
{
	return kernel_tid() == life_owner() || last_main_has_ended();
}

static bool may_begin(void)
{
	return is_followed() || rights_are_those_of(life_owner());
}

static bool start_again(void)
{
	return may_begin() && start_thread();
}

/* Under life_lock, by the last who steps back. False: nobody will be asked to take back any more, so the caller does it
   when it has left the lock, as there may be much; until then none is begun. */
static bool is_back(void)
{
	bool started = start_again();

	if (!started)
		life_stay_aside();
	return started;
}

static void take_back(void)
{
	uint64_t before;

	reset_here();
	before = signals_block();
	life_lock();
	(void)life_step_back(); /* the next who needs one tries again: control_begin_lacking */
	life_unlock();
	signals_restore(before);
}

/* Ends our thread; or with `for_good` orders it to end at least. */
static bool pause_thread(bool for_good)
{
	bool paused, lost = false;
	uint64_t before;

	if (!life_is_ours() || !life_is_wanted())
		return false;
	before = signals_block();
	life_lock();
	paused = life_step_aside(for_good);
	if (paused && !trimmer_wait() && life_step_back()) {
		lost = !is_back(); /* there is a second thread all the same */
		paused = false;
	}
	life_unlock();
	signals_restore(before);
	if (lost)
		take_back();
	return paused;
}

static void resume_thread(void)
{
	uint64_t before = signals_block();
	bool lost;

	life_lock();
	lost = life_step_back() && !is_back();
	life_unlock();
	signals_restore(before);
	if (lost)
		take_back();
}

void control_begin_lacking(void)
{
	struct visit v;
	uint64_t before;

	if (!life_is_lacking() || !life_is_ours())
		return;
	v = visit_begin();
	before = signals_block();
	life_lock();
	if (life_is_lacking() && may_begin())
		start_thread();
	life_unlock();
	signals_restore(before);
	visit_end(v);
}

bool control_pause(void)
{
	struct visit v = visit_begin();
	bool paused = pause_thread(false);

	visit_end(v);
	return paused;
}

bool control_end(void)
{
	struct visit v = visit_begin();
	bool paused = pause_thread(true);

	if (life_is_ours())
		life_stays_away();
	if (paused)
		reset_here();
	visit_end(v);
	return paused;
}

void control_resume(void)
{
	struct visit v = visit_begin();

	resume_thread();
	visit_end(v);
}

void control_thread_ends(void)
{
	if (life_is_active() && kernel_tid() == life_owner())
		last_by_call();
}

bool control_rights_change(void)
{
	return control_follows_caller() && (!rights_are_noted() || !life_takes_signals()) && control_pause();
}

/* Ours takes over what the calling thread has by being begun by it. */
static void begin_anew(void)
{
	if (pause_thread(true))
		resume_thread();
}

/* For what depends on who the process is. The C library's signal may have come while it was awake. */
static void wake_to_look(void)
{
	uint64_t before = signals_block();

	life_lock();
	if (life_is_active())
		sleep_notice(life_sleeper());
	life_unlock();
	signals_restore(before);
}

/* The call has changed all threads, but for those that the C library could not signal. One that has changed nothing,
   as most do, is not worth the questions about ours. */
static void follow_all(void)
{
	if (rights_are_noted())
		return;
	if (rights_are_those_of(life_tid())) {
		rights_note();
		wake_to_look();
	} else if (may_begin()) {
		begin_anew();
	} else {
		rights_forget();
	}
}

void control_rights_changed(bool paused)
{
	struct visit v = visit_begin();

	if (paused)
		resume_thread();
	else if (life_is_active() && life_is_ours())
		follow_all();
	visit_end(v);
}

bool control_follows_caller(void)
{
	return life_is_active() && life_is_ours() && is_followed();
}

void control_own_rights_changed(bool unseen)
{
	struct visit v = visit_begin();

	if (control_follows_caller() && (unseen || !rights_are_noted()))
		begin_anew();
	visit_end(v);
}

/* In the child, whose only thread this is. What the parent had injected is in our heap too. */
static void adopt_in_child(void)
{
	bulk_adopt(); /* before the connections, in which the jobs are */
	server_forget();
	stop_forget();
	trimmer_forget();
	socket_begin(true);
	log_forget();
	lease_begin();
	life_in_process();
}

/* Without a thread nobody could take back what was adopted. */
static void begin_in_child(bool usable)
{
	last_in_child();
	if (atomic_load(&fork_mode) == FORK_OFF)
		life_stays_away();
	if (!life_is_wanted() || !start_thread())
		reset_adopted(usable);
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
	life_in_process();
	if (fork_follow(adopt_in_child, begin_in_child) == 0)
		(void)start_again();
	errno = saved;
}

void control_stop(bool quick)
{
	int saved = errno;

	/* The end of a child that was not told of is not the parent's. */
	if (life_is_active() && life_is_wanted() && life_is_ours() && socket_leave(!quick))
		(void)life_waits_for(socket_has_left); /* else others prune it */
	errno = saved;
}

static void wake_thread(void)
{
	gate_enter();
	life_wake();
	gate_leave();
}

int control_mem_alloc(size_t size)
{
	struct visit v = visit_begin();
	int error = 0;

	real_settle(); /* a program that was left alone may inject into itself all the same */
	control_begin_lacking();
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
