/* SPDX-License-Identifier: BSD-2-Clause */
/* fork with the gate in use: the child's is open, its hook has run, the parent goes on. */
#include "control/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/real.h"
#include "inject/bulk.h"
#include "inject/gate.h"
#include "inject/hand.h"
#include "tests/unit.h"

static int hooks;

static void adopt(void)
{
	hooks++;
	errno = EXDEV;
}

static bool late;

static void begin(bool usable)
{
	hooks++;
	late = usable;
	errno = EXDEV;
}

static atomic_bool over;
static volatile unsigned before_work, after_work; /* guarded by the gate: equal outside it */

static void *hammer(void *unused)
{
	while (!atomic_load(&over)) {
		gate_enter();
		before_work++;
		for (volatile int work = 0; work < 1000; work++)
			continue;
		after_work++;
		gate_leave();
	}
	return unused;
}

/* Would never end if the child had a copy of a taken lock; and nothing is half done in the child. */
START_TEST(child_gets_an_open_gate_and_its_hook)
{
	pthread_t threads[2];
	int status;

	hooks = 0;
	atomic_store(&over, false);
	ck_assert_int_eq(fork_follow(adopt, begin), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, NULL), 0);
	for (int i = 0; i < 200; i++) {
		pid_t pid;

		errno = 0;
		pid = fork();
		if (pid == 0) {
			int kept = errno;

			gate_enter();
			gate_leave();
			_exit(hooks == 2 && !late && kept == 0 && before_work == after_work ? 0 : 1);
		}
		ck_assert_int_gt(pid, 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	atomic_store(&over, true);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(hooks, 0); /* not in the parent */
}
END_TEST

START_TEST(adopted_chunks_are_in_the_childs_heap)
{
	int status;
	pid_t pid;

	unit_hold(100);
	unit_hold(2 << 20);
	pid = fork();
	if (pid == 0) {
		bulk_adopt();
		if (hand_pool.chunks != 2 || budget_used() != hand_pool.bytes)
			_exit(1);
		hand_free();
		_exit(budget_used() ? 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(hand_pool.chunks, 2);
}
END_TEST

UNIT_SUITE(fork, adopted_chunks_are_in_the_childs_heap, child_gets_an_open_gate_and_its_hook)
