/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of long commands. At most one for each connection, so lists are short. */
#include "job.h"

#include "base/clock.h"

static struct job *first;

void job_add(struct job *j)
{
	struct job **at = &first;

	while (*at)
		at = &(*at)->next;
	j->next = NULL;
	*at = j;
}

/* Does it not wait for another? */
static bool has_turn(const struct job *j)
{
	if (j->cancelled)
		return true;
	if (j->urgent || j->parked)
		return !j->parked;
	for (const struct job *earlier = first; earlier != j; earlier = earlier->next)
		if (!earlier->urgent && (!earlier->scope || !j->scope || earlier->scope == j->scope))
			return false;
	return true;
}

static bool is_runnable(const struct job *j)
{
	return has_turn(j) && (j->cancelled || j->wake_ns == 0 || j->wake_ns <= clock_ns());
}

static void unlink_job(struct job *j)
{
	struct job **at = &first;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
}

bool job_run(struct slice *slice)
{
	static unsigned turn;
	unsigned runnable = 0, pick;
	struct job *j;

	for (j = first; j; j = j->next)
		runnable += is_runnable(j);
	if (!runnable)
		return false;
	pick = turn++ % runnable;
	for (j = first; !is_runnable(j) || pick--;)
		j = j->next;
	j->wake_ns = 0;
	if (j->step(j, slice)) {
		unlink_job(j);
		j->done(j);
	}
	return true;
}

uint64_t job_next_ns(void)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (const struct job *j = first; j; j = j->next) {
		if (is_runnable(j))
			return 0;
		if (has_turn(j) && j->wake_ns < next_ns)
			next_ns = j->wake_ns;
	}
	return next_ns;
}

void job_cancel_all(void)
{
	for (struct job *j = first; j; j = j->next)
		if (!j->urgent)
			j->cancelled = true;
}

bool job_any_cancelled(void)
{
	for (const struct job *j = first; j; j = j->next)
		if (j->cancelled)
			return true;
	return false;
}

void job_adopt(struct chunk_pool *pool)
{
	for (struct job *j = first; j; j = j->next)
		transit_adopt(&j->moving, pool);
	first = NULL;
}
