/* SPDX-License-Identifier: BSD-2-Clause */
/* Work in processes of their own: it is done at once, in any order, and what never ends is left. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "mtctl/workers.h"
#include "tests/unit.h"

#define PIECES (3 * WORKERS_AT_ONCE)
#define LONG_BYTES ((size_t)1 << 20) /* more than a pipe holds */

static struct piece pieces[PIECES];

static void run(size_t count, void (*work)(void *context, size_t piece, struct buf *out), void *context, uint64_t ns)
{
	memset(pieces, 0, sizeof(pieces));
	workers_run(pieces, count, work, context, ns == CLOCK_NEVER ? ns : clock_ns() + ns);
}

static void forget(size_t count)
{
	for (size_t n = 0; n < count; n++)
		buf_free(&pieces[n].out);
}

static void tell(void *context, size_t n, struct buf *out)
{
	buf_printf(out, "%s %zu", (const char *)context, n);
}

START_TEST(each_piece_has_its_own_words)
{
	run(PIECES, tell, "piece", CLOCK_NEVER);
	for (size_t n = 0; n < PIECES; n++) {
		ck_assert(pieces[n].done);
		buf_char(&pieces[n].out, '\0');
		ck_assert_uint_eq(strtoul(pieces[n].out.data + strlen("piece "), NULL, 10), n);
	}
	forget(PIECES);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static void tell_much(void *context, size_t n, struct buf *out)
{
	(void)context;
	memset(buf_room(out, LONG_BYTES), 'a' + (int)n, LONG_BYTES);
	out->len += LONG_BYTES;
}

START_TEST(long_words_arrive_whole)
{
	run(2, tell_much, NULL, CLOCK_NEVER);
	for (size_t n = 0; n < 2; n++) {
		ck_assert(pieces[n].done);
		ck_assert_uint_eq(pieces[n].out.len, LONG_BYTES);
		ck_assert_int_eq(pieces[n].out.data[LONG_BYTES - 1], 'a' + (int)n);
	}
	forget(2);
}
END_TEST

/* Odd ones never end, and their processes are told to the parent, which has them in a pipe. */
static void hang_odd(void *context, size_t n, struct buf *out)
{
	const pid_t self = getpid();

	(void)out;
	if (n % 2 && write(*(int *)context, &self, sizeof(self)) > 0)
		for (;;)
			pause();
}

/* Fewer than can be at work at once, so that each has begun; then the deadline is no matter of speed. */
START_TEST(what_never_ends_is_left_at_the_deadline_and_ended)
{
	int ends[2];
	pid_t hung;

	ck_assert_int_eq(pipe(ends), 0);
	run(2, hang_odd, &ends[1], 3 * NS_PER_S);
	ck_assert(!pieces[1].done);
	close(ends[1]);
	while (read(ends[0], &hung, sizeof(hung)) > 0)
		while (waitpid(hung, NULL, 0) < 0 && errno != ECHILD)
			; /* it was killed, or this never returns */
	close(ends[0]);
	forget(2);
}
END_TEST

START_TEST(nothing_begins_behind_the_deadline)
{
	run(PIECES, tell, "piece", 0);
	for (size_t n = 0; n < PIECES; n++)
		ck_assert(!pieces[n].done && !pieces[n].out.len);
}
END_TEST

static void die(void *context, size_t n, struct buf *out)
{
	buf_str(out, context);
	if (n)
		raise(SIGKILL);
}

START_TEST(one_that_dies_is_not_done)
{
	run(2, die, "words", CLOCK_NEVER);
	ck_assert(pieces[0].done && !pieces[1].done);
	forget(2);
}
END_TEST

START_TEST(work_is_done_here_where_no_process_can_be_had)
{
	struct rlimit before;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, before.rlim_max }), 0);
	run(3, tell, "piece", CLOCK_NEVER);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t n = 0; n < 3; n++)
		ck_assert(pieces[n].done && pieces[n].out.len == strlen("piece 0"));
	forget(3);
}
END_TEST

UNIT_SUITE(workers, each_piece_has_its_own_words, long_words_arrive_whole, what_never_ends_is_left_at_the_deadline_and_ended,
	   nothing_begins_behind_the_deadline, one_that_dies_is_not_done, work_is_done_here_where_no_process_can_be_had)
