/* SPDX-License-Identifier: BSD-2-Clause */
/* There are never two lives: a second one does not begin while the first goes on, whatever it is held up by. */
#include "control/life.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/thread.h"
#include "tests/unit.h"

static atomic_uint lives, at_once, most_at_once;
static atomic_bool begins_late;
static atomic_bool held_up, is_held; /* as by a system call that does not return */

static void stay_while_held_up(void)
{
	while (atomic_load(&held_up)) {
		atomic_store(&is_held, true);
		unit_moment();
	}
}

static void *live(void *unused)
{
	static const struct timespec late = { .tv_nsec = 50000000 };
	unsigned others = atomic_fetch_add(&at_once, 1);
	bool left;

	if (others >= atomic_load(&most_at_once))
		atomic_store(&most_at_once, others + 1);
	if (atomic_load(&begins_late))
		kernel_nanosleep(&late, NULL);
	life_enter();
	atomic_fetch_add(&lives, 1);
	sleep_rest(life_sleeper(), 0);
	do
		while (life_goes_on()) {
			sleep_clear(life_sleeper());
			sleep_until(life_sleeper(), clock_ns() + NS_PER_MS);
			stay_while_held_up();
		}
	while (!(left = life_is_left()) && !life_is_over());
	atomic_fetch_sub(&at_once, 1);
	if (left)
		life_gives_up();
	return unused;
}

static void begin(void)
{
	life_in_process();
	atomic_store(&lives, 0);
	atomic_store(&held_up, false);
	atomic_store(&most_at_once, 0);
	ck_assert(!life_is_active() && !life_is_wanted());
	ck_assert_int_eq(life_begin(live), 0);
	ck_assert(life_is_active() && life_is_wanted() && life_is_ours());
	while (!atomic_load(&lives))
		unit_moment();
}

static void hold_up(void)
{
	atomic_store(&is_held, false);
	atomic_store(&held_up, true);
	while (!atomic_load(&is_held))
		unit_moment();
}

static void end(void)
{
	while (life_is_active() && !life_end(false))
		continue;
	ck_assert_uint_eq(atomic_load(&most_at_once), 1);
	ck_assert_uint_eq(atomic_load(&at_once), 0);
	life_in_process();
}

START_TEST(life_begins_once_the_one_before_is_over)
{
	pid_t first;

	begin();
	first = life_tid();
	ck_assert_int_eq(life_begin(live), -EEXIST);
	ck_assert(life_end(false));
	ck_assert(thread_is_gone(first));
	ck_assert_int_eq(life_begin(live), 0);
	while (atomic_load(&lives) < 2)
		unit_moment();
	end();
}
END_TEST

/* Who asks compares the thread's rights with his own: that of no thread would seem to have followed. */
START_TEST(number_of_one_just_begun_is_waited_for)
{
	atomic_store(&begins_late, true);
	begin();
	ck_assert(life_end(false));
	ck_assert_int_eq(life_tid(), 0);
	ck_assert_int_eq(life_begin(live), 0);
	ck_assert_int_ne(life_tid(), 0);
	atomic_store(&begins_late, false);
	end();
}
END_TEST

START_TEST(one_that_is_held_up_lives_on)
{
	begin();
	hold_up();
	ck_assert(!life_end(false));
	ck_assert(life_is_active());
	ck_assert_int_eq(life_begin(live), -EEXIST);
	atomic_store(&held_up, false);
	while (!life_goes_on())
		unit_moment();
	ck_assert_uint_eq(atomic_load(&lives), 1);
	end();
}
END_TEST

START_TEST(one_that_is_held_up_is_waited_for_once)
{
	struct rusage before, after;

	begin();
	hold_up();
	ck_assert(!life_step_aside(true));
	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &before), 0);
	for (int i = 0; i < 10; i++)
		ck_assert(!life_step_aside(true));
	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &after), 0);
	/* A moment gives the processor away once or twice, a wait to its end for each of many moments. */
	ck_assert_int_lt(after.ru_nvcsw - before.ru_nvcsw, 100);
	atomic_store(&held_up, false);
	while (life_is_active())
		unit_moment();
	end();
}
END_TEST

static bool has_lived_on(void)
{
	return atomic_load(&lives) > 0 && !atomic_load(&held_up);
}

START_TEST(end_of_the_process_waits_for_it_unless_it_is_held_up)
{
	begin();
	ck_assert(life_waits_for(has_lived_on));
	hold_up();
	ck_assert(!life_waits_for(has_lived_on));
	ck_assert(!life_waits_for(has_lived_on));
	atomic_store(&held_up, false);
	ck_assert(life_waits_for(has_lived_on));
	end();
}
END_TEST

START_TEST(order_that_stands_is_carried_out_when_nobody_waits)
{
	begin();
	hold_up();
	ck_assert(!life_end(true));
	ck_assert(life_is_left());
	atomic_store(&held_up, false);
	while (life_is_active())
		unit_moment();
	while (!life_is_lacking())
		unit_moment();
	ck_assert_int_eq(life_begin(live), 0);
	while (atomic_load(&lives) < 2)
		unit_moment();
	end();
}
END_TEST

START_TEST(one_that_could_not_begin_is_lacking_after_a_moment)
{
	struct rlimit limit, low;

	life_in_process();
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	low = (struct rlimit){ 1 << 20, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &low), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &low), 0);
	if (low.rlim_cur != 1 << 20)
		return; /* qemu-user sets no such limit */
	ck_assert_int_lt(life_begin(live), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert(!life_is_active() && life_is_wanted());
	while (!life_is_lacking())
		unit_moment();
	ck_assert_int_eq(life_begin(live), 0);
	ck_assert(!life_is_lacking());
	end();
	life_stays_away();
	ck_assert(!life_is_lacking());
}
END_TEST

/* Several host threads, and a signal handler in the middle of such a call. */
START_TEST(last_one_to_step_back_begins_it)
{
	unsigned changes;

	begin();
	changes = life_changes();
	ck_assert_uint_eq(changes % 2, 0);
	ck_assert(life_step_aside(false));
	ck_assert_uint_eq(life_changes() % 2, 1);
	ck_assert(life_step_aside(false));
	ck_assert(!life_is_active() && life_is_wanted());
	ck_assert(!life_step_back());
	ck_assert(life_step_back());
	ck_assert(!life_step_back());
	ck_assert_int_eq(life_begin(live), 0);
	ck_assert_uint_eq(life_changes(), changes + 2);
	while (atomic_load(&lives) < 2)
		unit_moment();
	end();
}
END_TEST

UNIT_SUITE_TAGGED(life, UNIT_GIVES_UP, life_begins_once_the_one_before_is_over, number_of_one_just_begun_is_waited_for,
	   one_that_is_held_up_lives_on, end_of_the_process_waits_for_it_unless_it_is_held_up, one_that_is_held_up_is_waited_for_once, order_that_stands_is_carried_out_when_nobody_waits,
	   last_one_to_step_back_begins_it, one_that_could_not_begin_is_lacking_after_a_moment)
