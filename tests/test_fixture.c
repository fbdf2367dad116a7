/* SPDX-License-Identifier: BSD-2-Clause */
/* What all unit tests share: the state that each begins with, and the check that it leaves nothing. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/real.h"
#include "host/trim.h"
#include "inject/budget.h"
#include "inject/bulk.h"
#include "inject/content.h"
#include "inject/hand.h"
#include "inject/lease.h"
#include "inject/sched.h"
#include "tests/unit.h"

#define STEPS_MAX 100000000ul /* a job that is not done by then never ends */
#define HANG_GUARD_S 600

/* As it was found; a test that puts another in its place puts this one back. */
static struct heap allocator;

void unit_moment(void)
{
	static const struct timespec moment = { .tv_nsec = 20 * NS_PER_US };

	kernel_nanosleep(&moment, NULL);
}

void unit_begin(void)
{
	real_begin();
	real_settle();
	allocator = real;
	trim_settle();
	trim_prepare(0); /* tests count calls of the allocator */
	atomic_store(&budget_max_bytes, 0);
	atomic_store(&budget_available_percent, 0);
	atomic_store(&content_touch, 1);
	atomic_store(&content_check, 0);
	atomic_store(&test_realloc_percent, 0);
	atomic_store(&sched_seed, 1);
	atomic_store(&lease_ms, 0);
	lease_renew(0);
	bulk_reseed();
}

void unit_end(void)
{
	struct unit_job all, tests;

	ck_assert_mem_eq(&real, &allocator, sizeof(real));
	job_cancel_all();
	bulk_destroy(unit_job(&tests), NULL);
	unit_run(&tests, NS_PER_S);
	bulk_free_all(unit_job(&all), true);
	unit_run(&all, NS_PER_S);
	ck_assert_uint_eq(hand_pool.chunks, 0);
	ck_assert_uint_eq(hand_pool.bytes, 0);
	ck_assert_uint_eq(budget_used(), 0);
	ck_assert_uint_eq(chunk_record_bytes(), 0);
}

/* MT_LEAVE_OUT="one_test another_test": what cannot run here, as under an emulator. */
static bool is_left_out(const char *test)
{
	const char *names = getenv("MT_LEAVE_OUT"), *at = names ? strstr(names, test) : NULL;
	size_t len = strlen(test);

	return at && (at == names || at[-1] == ' ') && (!at[len] || at[len] == ' ');
}

Suite *unit_suite(const char *name, const char *tags, const TTest *const tests[], size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, unit_begin, unit_end);
	tcase_set_timeout(tcase, HANG_GUARD_S);
	tcase_set_tags(tcase, tags);
	for (size_t i = 0; i < count; i++)
		if (!is_left_out(tests[i]->name))
			tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite;
}

struct prng unit_random(const char *test)
{
	const char *given = getenv("MT_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : prng_entropy();
	struct prng random;

	printf("%s: MT_SEED=%" PRIu64 "\n", test, seed);
	fflush(stdout);
	prng_seed(&random, seed);
	return random;
}

static void note_done(struct job *j)
{
	((struct unit_job *)j->owner)->done = true;
}

struct job *unit_job(struct unit_job *u)
{
	*u = (struct unit_job){ .job = { .done = note_done, .owner = u } };
	return &u->job;
}

void unit_run(struct unit_job *u, uint64_t slice_ns)
{
	for (unsigned long i = 0; !u->done; i++) {
		struct slice slice = slice_ns ? slice_of(slice_ns) : UNIT_NO_TIME;

		ck_assert_msg(i < STEPS_MAX, "the job never ends");
		sched_run(slice_ns);
		job_run(&slice);
	}
}

void unit_hold(uint64_t size)
{
	struct unit_job u;

	bulk_alloc(unit_job(&u), size, size, size);
	unit_run(&u, NS_PER_S);
	ck_assert_uint_eq(u.job.errors, 0);
}

void unit_advance(struct test *t, struct slice slice)
{
	for (int i = 0; !test_advance(t, &slice); i++)
		ck_assert_int_lt(i, 1000);
	ck_assert_int_eq(t->phase, TEST_IDLE);
}

void unit_free_test(struct test *t)
{
	struct slice slice = UNIT_MUCH_TIME;
	uint64_t damaged = 0;

	ck_assert(transit_drain(&t->moving, &t->pool, false, &slice, &damaged));
	ck_assert_uint_eq(damaged, 0);
}

struct chunk unit_take_one(struct chunk_pool *pool, struct prng *random)
{
	struct chunk_cursor at;
	struct chunk c;

	switch (prng_range(random, 0, 2)) {
	case 0:
		ck_assert(chunk_pop(pool, &c));
		break;
	case 1:
		pool->drained = UINT_MAX; /* has taken enough of the oldest */
		ck_assert(chunk_drain(pool, &c));
		break;
	default:
		ck_assert(chunk_pick(pool, prng_next(random), &at, &c));
		chunk_take(pool, &at);
	}
	return c;
}

void unit_directory(char path[UNIT_PATH_MAX])
{
	const char *base = getenv("TMPDIR");

	snprintf(path, UNIT_PATH_MAX, "%s/mtunit.XXXXXX", base ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(path));
}

void unit_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	closedir(dir);
	ck_assert_int_eq(rmdir(path), 0);
}
