/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of long commands: who runs, who waits, who gets the next turn. */
#include "inject/job.h"

#include <string.h>

#include "tests/unit.h"

/* A job of so many steps that writes its letter at each, and in capitals when it is done. */
struct lettered {
	struct job job;
	char letter;
	int steps;
};

static char trace[64];
static struct slice slice;

static void write_letter(char letter)
{
	size_t len = strlen(trace);

	ck_assert_uint_lt(len, sizeof(trace) - 1);
	trace[len] = letter;
	trace[len + 1] = '\0';
}

static bool step(struct job *j, struct slice *s)
{
	struct lettered *l = j->owner;

	(void)s;
	if (j->cancelled)
		return true;
	write_letter(l->letter);
	return --l->steps == 0;
}

static void done(struct job *j)
{
	write_letter((char)(((struct lettered *)j->owner)->letter - 'a' + 'A'));
}

static struct job *add(struct lettered *l, char letter, int steps, const struct chunk_pool *scope)
{
	*l = (struct lettered){ .letter = letter, .steps = steps };
	l->job = (struct job){ .step = step, .done = done, .owner = l, .scope = scope };
	job_add(&l->job);
	return &l->job;
}

static void begin(void)
{
	trace[0] = '\0';
	slice = UNIT_MUCH_TIME;
	ck_assert(job_next_ns() != 0);
}

static void run_all(void)
{
	for (int i = 0; job_run(&slice); i++)
		ck_assert_int_lt(i, 50);
}

static struct chunk_pool one, other;

START_TEST(jobs_on_one_pool_run_one_after_the_other)
{
	struct lettered a, b, c;

	begin();
	add(&a, 'a', 3, &one);
	add(&b, 'b', 2, &one);
	add(&c, 'c', 1, &one);
	ck_assert(job_next_ns() == 0);
	run_all();
	ck_assert_str_eq(trace, "aaaAbbBcC");
	ck_assert(job_next_ns() != 0);
}
END_TEST

START_TEST(jobs_on_different_pools_take_turns)
{
	struct lettered a, b;

	begin();
	add(&a, 'a', 3, &one);
	add(&b, 'b', 3, &other);
	for (int i = 0; i < 4; i++)
		job_run(&slice);
	ck_assert_int_eq(a.steps, 1);
	ck_assert_int_eq(b.steps, 1);
	run_all();
	ck_assert(job_next_ns() != 0);
}
END_TEST

START_TEST(job_on_all_pools_waits_for_each_and_each_for_it)
{
	struct lettered a, all, b;

	begin();
	add(&a, 'a', 2, &one);
	add(&all, 'x', 1, NULL);
	add(&b, 'b', 1, &other);
	run_all();
	ck_assert_str_eq(trace, "aaAxXbB");
}
END_TEST

START_TEST(urgent_job_waits_for_nobody_and_nobody_for_it)
{
	struct lettered a, urgent, b;

	begin();
	add(&urgent, 'u', 100, NULL)->urgent = true;
	add(&a, 'a', 1, &one);
	add(&b, 'b', 1, NULL)->urgent = true;
	for (int i = 0; i < 5; i++)
		job_run(&slice);
	ck_assert_ptr_nonnull(strchr(trace, 'A'));
	ck_assert_ptr_nonnull(strchr(trace, 'B'));
	ck_assert_ptr_nonnull(strchr(trace, 'u'));
	urgent.steps = 1;
	run_all();
}
END_TEST

START_TEST(parked_job_waits_for_its_owner_alone)
{
	struct lettered parked, after;

	begin();
	add(&parked, 'p', 1, &one)->parked = true;
	ck_assert(job_next_ns() != 0);
	ck_assert(!job_run(&slice));
	add(&after, 'a', 1, &one);
	ck_assert(!job_run(&slice)); /* still in its place */
	parked.job.parked = false;
	run_all();
	ck_assert_str_eq(trace, "pPaA");
}
END_TEST

START_TEST(cancelled_job_ends_without_waiting_for_its_turn)
{
	struct lettered first, second;

	begin();
	add(&first, 'a', 5, &one)->parked = true;
	add(&second, 'b', 5, &one);
	second.job.cancelled = true;
	ck_assert(job_next_ns() == 0);
	job_run(&slice);
	ck_assert_str_eq(trace, "B");
	first.job.cancelled = true;
	run_all();
	ck_assert_str_eq(trace, "BA");
}
END_TEST

/* A parked listing that was told to end, but cannot, would be run again and again until its client
   reads. What is urgent is short, or waits for nothing but its client. */
START_TEST(cancelling_all_spares_what_is_urgent)
{
	struct lettered job, listing;

	begin();
	add(&job, 'j', 5, &one);
	add(&listing, 'l', 1, NULL)->urgent = true;
	listing.job.parked = true;
	job_cancel_all();
	run_all();
	ck_assert_str_eq(trace, "J");
	ck_assert(job_next_ns() != 0);
	listing.job.parked = false;
	run_all();
	ck_assert_str_eq(trace, "JlL");
}
END_TEST

UNIT_SUITE(job, jobs_on_one_pool_run_one_after_the_other, jobs_on_different_pools_take_turns,
	   job_on_all_pools_waits_for_each_and_each_for_it,
	   urgent_job_waits_for_nobody_and_nobody_for_it, parked_job_waits_for_its_owner_alone,
	   cancelled_job_ends_without_waiting_for_its_turn, cancelling_all_spares_what_is_urgent)
