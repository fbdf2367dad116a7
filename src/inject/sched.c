/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of tests is an array in the order of their ids, so that a listing which spans many
   polls finds its place again; the schedule is a binary heap on due_ns. Both grow in private
   mappings. */
#include "sched.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "inject/release.h"
#include "inject/store.h"

#define FIRST_CAPACITY ((size_t)512)

/* Ten thousand tests are due one by one; waking up for each of them cost more than what they do. So ticks that are
   due within so long of the last ones wait for each other. A few tests never notice. */
#define TOGETHER_NS (250 * NS_PER_US)

_Atomic uint64_t sched_seed;

static struct slab tests = SLAB_OF(struct test);
static uint64_t last_id;

static struct test **by_id;
static struct test **heap; /* from 1; heap[i]->heap_at == i */
static size_t capacity;    /* of both */
static size_t listed, scheduled;

static uint64_t ran_ns; /* when ticks were last found due */

static struct test *at_work; /* its tick is being worked on: it may be in no list */
static struct test *busy_first, **busy_last = &busy_first;

static int grow_array(struct test ***array, size_t wanted)
{
	size_t bytes = wanted * sizeof(**array), old = capacity * sizeof(**array);
	void *at = *array ? pool_resize(*array, old, bytes) : pool_map(bytes);

	if (!at)
		return -ENOMEM;
	*array = at;
	store_touch((char *)at + old, bytes - old);
	return 0;
}

/* Back to the size that the other array still has. The mapping may move even then. */
static void shrink_by_id(size_t from)
{
	struct test **at = NULL;

	if (capacity)
		at = pool_resize(by_id, from * sizeof(*by_id), capacity * sizeof(*by_id));
	else
		pool_unmap(by_id, from * sizeof(*by_id));
	if (at || !capacity)
		by_id = at;
}

/* Room for one more test, listed and scheduled. Tests that are leaving are in neither. */
static int reserve(void)
{
	size_t wanted = capacity ? capacity * 2 : FIRST_CAPACITY;

	if (listed + 1 < capacity)
		return 0;
	if (grow_array(&by_id, wanted) < 0)
		return -ENOMEM;
	if (grow_array(&heap, wanted) < 0) {
		shrink_by_id(wanted);
		return -ENOMEM;
	}
	capacity = wanted;
	return 0;
}

static void heap_set(size_t at, struct test *t)
{
	heap[at] = t;
	t->heap_at = (uint32_t)at;
}

static void sift_up(size_t at, struct test *t)
{
	for (; at > 1 && heap[at / 2]->due_ns > t->due_ns; at /= 2)
		heap_set(at, heap[at / 2]);
	heap_set(at, t);
}

static void sift_down(size_t at, struct test *t)
{
	for (;;) {
		size_t child = at * 2;

		if (child > scheduled)
			break;
		if (child < scheduled && heap[child + 1]->due_ns < heap[child]->due_ns)
			child++;
		if (heap[child]->due_ns >= t->due_ns)
			break;
		heap_set(at, heap[child]);
		at = child;
	}
	heap_set(at, t);
}

static void schedule(struct test *t)
{
	sift_up(++scheduled, t);
}

static void unschedule(struct test *t)
{
	size_t at = t->heap_at;
	struct test *last;

	if (!at)
		return;
	t->heap_at = 0;
	last = heap[scheduled--];
	if (last == t)
		return;
	if (at > 1 && heap[at / 2]->due_ns > last->due_ns)
		sift_up(at, last);
	else
		sift_down(at, last);
}

static void make_busy(struct test *t)
{
	if (t->busy)
		return;
	t->busy = true;
	t->next_busy = NULL;
	*busy_last = t;
	busy_last = &t->next_busy;
}

static struct test *take_busy(void)
{
	struct test *t = busy_first;

	if (!t)
		return NULL;
	busy_first = t->next_busy;
	if (!busy_first)
		busy_last = &busy_first;
	t->busy = false;
	return t;
}

/* How many listed tests have an id below this one; the place where it is or would be. */
static size_t place_of(uint64_t id)
{
	size_t low = 0, high = listed;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_id[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct test *sched_find(uint64_t id)
{
	size_t at = place_of(id);

	return at < listed && by_id[at]->id == id ? by_id[at] : NULL;
}

struct test *sched_below(uint64_t id)
{
	size_t at = place_of(id);

	return at ? by_id[at - 1] : NULL;
}

int sched_start(const struct test_plan *plan, uint64_t *id)
{
	struct test *t;

	if (reserve() < 0)
		return -ENOMEM;
	t = store_get(&tests);
	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	test_init(t, ++last_id, plan, atomic_load(&sched_seed), clock_ns());
	by_id[listed++] = t;
	schedule(t);
	*id = t->id;
	return 0;
}

/* A tick that is under way goes on until the chunk in hand has left. */
void sched_stop(struct test *t)
{
	if (t->state != TEST_RUNNING)
		return;
	t->state = TEST_STOPPED;
	t->over_ns = clock_ns();
	unschedule(t);
	if (t->phase != TEST_IDLE)
		make_busy(t); /* it may have been waiting for the host */
}

void sched_stop_all(void)
{
	for (size_t i = 0; i < listed; i++)
		sched_stop(by_id[i]);
}

void sched_resume_leaks(void)
{
	uint64_t now = clock_ns();

	for (size_t i = 0; i < listed; i++) {
		if (!test_wants_more(by_id[i]))
			continue;
		unschedule(by_id[i]);
		test_resume(by_id[i], now);
		schedule(by_id[i]);
	}
}

void sched_destroy(struct test *t, struct job *waiter)
{
	size_t at = place_of(t->id);

	memmove(&by_id[at], &by_id[at + 1], (--listed - at) * sizeof(*by_id));
	unschedule(t);
	t->state = TEST_LEAVING;
	t->waiter = waiter;
	waiter->waiting_for++;
	if (t->phase == TEST_IDLE)
		t->phase = TEST_EMPTYING;
	make_busy(t);
}

static void finish_tick(struct test *t)
{
	uint64_t now = clock_ns();

	t->awaited = t->awaited && t->state == TEST_LEAVING && t->pool.chunks;
	if (t->state == TEST_LEAVING) {
		if (t->pool.chunks) { /* it was filling when it was destroyed */
			t->phase = TEST_EMPTYING;
			make_busy(t);
			return;
		}
		t->waiter->waiting_for--;
		slab_put(&tests, t);
	} else if (t->state == TEST_RUNNING && t->ending) {
		release_finish();
		t->state = TEST_ENDED;
		t->over_ns = t->end_ns;
	} else if (t->state == TEST_RUNNING) {
		test_set_next(t, now);
		schedule(t);
	}
}

/* It waits for an allocation by the host, and for its end. */
static void look_later(struct test *t)
{
	t->due_ns = transit_look_ns(&t->moving, clock_ns());
	if (t->due_ns > t->end_ns)
		t->due_ns = t->end_ns;
	schedule(t);
}

static void advance(struct test *t, struct slice *slice)
{
	at_work = t;
	if (test_advance(t, slice))
		finish_tick(t);
	else if (t->moving.stage == TRANSIT_POSTED && t->state == TEST_RUNNING && !t->ending)
		look_later(t);
	else
		make_busy(t);
	at_work = NULL;
}

static void run_due(struct slice *slice)
{
	uint64_t now = clock_ns();

	if (scheduled && heap[1]->due_ns <= now)
		ran_ns = now;
	while (scheduled && heap[1]->due_ns <= now) {
		struct test *t = heap[1];

		unschedule(t);
		if (t->phase == TEST_IDLE)
			test_tick(t);
		else
			t->ending = now >= t->end_ns;
		advance(t, slice);
		if (slice_over(slice, 0))
			break;
	}
}

static void run_busy(struct slice *slice)
{
	struct test *t;

	while ((t = take_busy())) {
		advance(t, slice);
		if (slice_over(slice, 0))
			break;
	}
}

void sched_run(uint64_t slice_ns)
{
	struct slice due = slice_of(slice_ns), unfinished;

	run_due(&due);
	if (!busy_first)
		return;
	unfinished = slice_of(slice_ns);
	run_busy(&unfinished);
}

bool sched_any_leaving(void)
{
	for (const struct test *t = busy_first; t; t = t->next_busy)
		if (t->state != TEST_RUNNING)
			return true;
	return false;
}

uint64_t sched_await_leaving(void)
{
	uint64_t bytes = 0;

	for (struct test *t = busy_first; t; t = t->next_busy) {
		bytes += test_leaving_bytes(t);
		t->awaited = test_leaving_bytes(t) > 0;
	}
	return bytes;
}

bool sched_any_awaited(void)
{
	for (const struct test *t = busy_first; t; t = t->next_busy)
		if (t->awaited)
			return true;
	return false;
}

uint64_t sched_next_ns(void)
{
	if (busy_first)
		return 0;
	if (!scheduled)
		return CLOCK_NEVER;
	if (heap[1]->due_ns > ran_ns && heap[1]->due_ns < ran_ns + TOGETHER_NS)
		return ran_ns + TOGETHER_NS;
	return heap[1]->due_ns;
}

struct sched_counts sched_count(void)
{
	struct sched_counts n = { 0 };

	for (size_t i = 0; i < listed; i++) {
		n.running += by_id[i]->state == TEST_RUNNING;
		n.stopped += by_id[i]->state != TEST_RUNNING;
		n.corruptions += by_id[i]->stats.corruptions;
	}
	return n;
}

static void adopt(struct test *t, struct chunk_pool *pool)
{
	chunk_splice(pool, &t->pool);
	transit_adopt(&t->moving, pool);
	slab_put(&tests, t);
}

void sched_adopt(struct chunk_pool *pool)
{
	struct test *t;

	if (at_work && at_work->state == TEST_LEAVING)
		adopt(at_work, pool);
	at_work = NULL;
	while ((t = take_busy()))
		if (t->state == TEST_LEAVING)
			adopt(t, pool);
	for (size_t i = 0; i < listed; i++)
		adopt(by_id[i], pool);
	listed = scheduled = 0;
}
