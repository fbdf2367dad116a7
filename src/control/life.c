/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may begin and end our thread, and when that is done. Its end is handed over by `state`, written with release
   and read with acquire; that the kernel has forgotten it as well matters to calls that count threads. */
#include "life.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/process.h"
#include "control/thread.h"

/* Long for a thread that only has to be given a processor, short for a host that waits. */
#define PATIENCE_NS (2 * NS_PER_S)
#define MOMENT_NS (50 * NS_PER_US)

/* Between two attempts to begin one that are nobody's command. */
#define AGAIN_NS (100 * NS_PER_MS)

enum life_state {
	LIFE_NONE,
	LIFE_RUNS,
	LIFE_ASKED, /* to end: somebody waits for it */
	LIFE_LEFT,  /* to end: nobody waits any more */
	LIFE_OVER   /* it only has to return */
};

static struct {
	atomic_int state; /* enum life_state */
	_Atomic pid_t tid;
	atomic_bool held_up; /* it has not moved since it was waited for in vain */
	atomic_uint waits_in_vain;
	struct sleeper sleeper;

	_Atomic uint64_t refused_ns; /* when one could not be begun */
	atomic_bool wanted;
	atomic_uint changes;
	_Atomic pid_t owner; /* these two are the process's: in the constructor other threads may ask already */
	_Atomic uint64_t start_ns;
	atomic_flag lock;
	atomic_uint aside; /* written under lock */
} life = { .lock = ATOMIC_FLAG_INIT };

static void wait_a_moment(void)
{
	static const struct timespec moment = { .tv_nsec = MOMENT_NS };

	kernel_nanosleep(&moment, NULL);
}

void life_lock(void)
{
	while (atomic_flag_test_and_set_explicit(&life.lock, memory_order_acquire))
		wait_a_moment();
}

void life_unlock(void)
{
	atomic_flag_clear_explicit(&life.lock, memory_order_release);
}

static int state(void)
{
	return atomic_load_explicit(&life.state, memory_order_acquire);
}

static bool change_state(int from, int to)
{
	return atomic_compare_exchange_strong(&life.state, &from, to);
}

int life_begin(void *(*run)(void *))
{
	int rc;

	atomic_store(&life.wanted, true);
	if (state() == LIFE_OVER)
		atomic_store(&life.state, LIFE_NONE);
	if (!change_state(LIFE_NONE, LIFE_RUNS))
		return -EEXIST;
	sleep_end(&life.sleeper);
	atomic_store(&life.tid, 0);
	atomic_store(&life.held_up, false);
	atomic_fetch_or(&life.changes, 1);
	sleep_handle_signal();
	rc = thread_start(run);
	if (rc < 0) {
		atomic_store(&life.refused_ns, clock_ns());
		atomic_store(&life.state, LIFE_NONE);
	}
	atomic_fetch_add(&life.changes, 1);
	return rc;
}

static bool is_over(void)
{
	return state() == LIFE_OVER;
}

static bool is_forgotten(void)
{
	return thread_is_gone(atomic_load(&life.tid));
}

static bool wait_until(bool (*condition)(void), uint64_t deadline_ns)
{
	while (!condition()) {
		if (clock_ns() >= deadline_ns)
			return false;
		wait_a_moment();
	}
	return true;
}

static uint64_t patience_ends_ns(void)
{
	return clock_ns() + (atomic_load(&life.held_up) ? MOMENT_NS : PATIENCE_NS);
}

bool life_waits_for(bool (*done)(void))
{
	uint64_t deadline_ns = patience_ends_ns();

	sleep_wake(&life.sleeper);
	if (wait_until(done, deadline_ns))
		return true;
	atomic_store(&life.held_up, true);
	return false;
}

bool life_end(bool for_good)
{
	uint64_t deadline_ns = patience_ends_ns();

	change_state(LIFE_RUNS, LIFE_ASKED);
	if (!is_over())
		sleep_wake(&life.sleeper);
	if (!wait_until(is_over, deadline_ns)) {
		atomic_store(&life.held_up, true);
		if (change_state(LIFE_ASKED, for_good ? LIFE_LEFT : LIFE_RUNS) || !is_over()) {
			atomic_fetch_add(&life.waits_in_vain, 1);
			return false;
		}
	}
	/* Where a debugger keeps it the host's call may be refused, but a new one may begin. */
	wait_until(is_forgotten, clock_ns() + PATIENCE_NS);
	sleep_end(&life.sleeper);
	atomic_store(&life.state, LIFE_NONE);
	return true;
}

void life_enter(void)
{
	atomic_store(&life.tid, kernel_tid());
}

bool life_goes_on(void)
{
	if (atomic_load_explicit(&life.held_up, memory_order_relaxed))
		atomic_store(&life.held_up, false);
	return state() == LIFE_RUNS;
}

bool life_is_over(void)
{
	return change_state(LIFE_ASKED, LIFE_OVER);
}

void life_gives_up(void)
{
	atomic_store(&life.refused_ns, clock_ns());
	atomic_store(&life.state, LIFE_OVER);
}

bool life_is_left(void)
{
	return state() == LIFE_LEFT;
}

bool life_is_active(void)
{
	int now = state();

	return now == LIFE_RUNS || now == LIFE_ASKED || now == LIFE_LEFT;
}

bool life_is_wanted(void)
{
	return atomic_load(&life.wanted);
}

bool life_is_lacking(void)
{
	int now = state();

	return (now == LIFE_NONE || now == LIFE_OVER) && life_is_wanted() && life.aside == 0 &&
	       clock_ns() - atomic_load(&life.refused_ns) >= AGAIN_NS;
}

void life_stays_away(void)
{
	atomic_store(&life.wanted, false);
	atomic_fetch_add(&life.changes, atomic_load(&life.changes) % 2);
}

bool life_is_ours(void)
{
	return process_is_ours();
}

pid_t life_owner(void)
{
	return atomic_load(&life.owner);
}

uint64_t life_start_ns(void)
{
	return atomic_load(&life.start_ns);
}

static bool has_entered(void)
{
	return atomic_load(&life.tid) || !life_is_active();
}

pid_t life_tid(void)
{
	wait_until(has_entered, clock_ns() + PATIENCE_NS);
	return life_is_active() ? atomic_load(&life.tid) : 0;
}

unsigned life_changes(void)
{
	return atomic_load(&life.changes);
}

void life_wake(void)
{
	if (life_is_active())
		sleep_wake(&life.sleeper);
}

bool life_looks(void)
{
	return atomic_load(&life.sleeper.looks);
}

bool life_takes_signals(void)
{
	return life_is_active() && sleep_takes_signals(&life.sleeper);
}

struct sleeper *life_sleeper(void)
{
	return &life.sleeper;
}

unsigned life_waits_in_vain(void)
{
	return atomic_load(&life.waits_in_vain);
}

void life_in_process(void)
{
	process_begin();
	life.owner = kernel_pid();
	life.start_ns = clock_ns();
	life.aside = 0;
	atomic_flag_clear(&life.lock);
	atomic_store(&life.changes, 0);
	atomic_store(&life.waits_in_vain, 0);
	atomic_store(&life.state, LIFE_NONE);
	sleep_forget(&life.sleeper);
}

bool life_step_aside(bool for_good)
{
	bool alone = life.aside++ == 0, done;

	if (!alone)
		return true;
	atomic_fetch_add(&life.changes, 1);
	done = state() != LIFE_NONE && life_end(for_good);
	if (!done) {
		life.aside--;
		atomic_fetch_add(&life.changes, 1);
	}
	return done;
}

void life_stay_aside(void)
{
	life.aside++;
}

bool life_step_back(void)
{
	return life.aside && --life.aside == 0;
}
