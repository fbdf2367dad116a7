/* SPDX-License-Identifier: BSD-2-Clause */
/* The inject layer's lock, how a fork passes its owner, and the clock that long loops obey. */
#include "gate.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/signals.h"

/* membarrier(2) */
enum { BARRIER_PRIVATE = 1 << 3, BARRIER_REGISTER_PRIVATE = 1 << 4 };

/* Whoever wants `inside` holds `turn` while waiting for it. So our thread, which comes straight
   back, queues behind a host thread that is already waiting instead of overtaking it. */
static struct {
	pthread_mutex_t turn, inside;
	atomic_uint waiting;
	_Atomic pid_t owner; /* the last who was inside */
} gate = { .turn = PTHREAD_MUTEX_INITIALIZER, .inside = PTHREAD_MUTEX_INITIALIZER };

struct gate_passage gate_passage = { .fenced = true };
_Thread_local bool gate_is_inside;
static _Thread_local pid_t tid; /* 0: not asked yet */

/* Of a thread of the host's. A signal handler of its may fork: it must find us neither waiting nor half done. */
static _Thread_local struct {
	uint64_t mask; /* before it came in */
	bool masks;    /* it came by gate_enter */
	bool has_passed;
	unsigned forks; /* under way: one in a handler in the midst of another */
} host;

/* A step costs something even where it handles few bytes. */
#define STEP_BYTES 128

/* How long an owner may be in one call before a fork passes it: where it sleeps, and where it does not or nobody tells.
   An allocator without fork handlers of its own must not be copied in the midst of a call, and an owner that only waits
   for a processor ends it by itself. */
#define PASS_ASLEEP_NS (2 * NS_PER_MS)
#define PASS_AWAKE_NS NS_PER_S

static const struct timespec moment = { .tv_nsec = 50000 };

void gate_begin(void)
{
	bool refused = kernel_raw(SYS_membarrier, BARRIER_REGISTER_PRIVATE, 0, 0, 0, 0, 0) < 0;

	atomic_store(&gate_passage.fenced, refused);
}

void gate_enter_last(void)
{
	if (host.masks)
		host.mask = signals_block();
	pthread_mutex_lock(&gate.turn);
	pthread_mutex_lock(&gate.inside);
	pthread_mutex_unlock(&gate.turn);
	gate_is_inside = true;
	if (!tid)
		tid = kernel_tid();
	atomic_store_explicit(&gate.owner, tid, memory_order_relaxed);
}

void gate_enter(void)
{
	host.masks = true;
	atomic_fetch_add(&gate.waiting, 1);
	gate_enter_last();
	atomic_fetch_sub(&gate.waiting, 1);
}

static void leave(bool masks)
{
	uint64_t mask = host.mask;

	gate_is_inside = false;
	pthread_mutex_unlock(&gate.inside);
	if (masks)
		signals_restore(mask);
}

void gate_leave(void)
{
	bool masks = host.masks;

	host.masks = false;
	leave(masks);
}

bool gate_step_out(void)
{
	bool was_inside = gate_is_inside;

	if (was_inside)
		leave(host.masks);
	return was_inside;
}

void gate_step_in(bool was_inside)
{
	if (was_inside)
		gate_enter_last();
}

/* From here on the owner sees `passing` when its call ends, or we see that it has ended. */
static bool order_against_owner(void)
{
	if (atomic_load(&gate_passage.fenced)) {
		atomic_thread_fence(memory_order_seq_cst);
		return true;
	}
	if (kernel_raw(SYS_membarrier, BARRIER_PRIVATE, 0, 0, 0, 0, 0) == 0)
		return true;
	/* A child may have to register anew. */
	return kernel_raw(SYS_membarrier, BARRIER_REGISTER_PRIVATE, 0, 0, 0, 0, 0) == 0 &&
	       kernel_raw(SYS_membarrier, BARRIER_PRIVATE, 0, 0, 0, 0, 0) == 0;
}

static bool pass(unsigned call)
{
	atomic_fetch_add(&gate_passage.passing, 1);
	if (order_against_owner() && atomic_load(&gate_passage.calls) == call)
		return true;
	atomic_fetch_sub(&gate_passage.passing, 1);
	return false;
}

/* Odd: the owner is in a call. */
static bool is_in_call(unsigned call)
{
	return call % 2 != 0;
}

/* By its state, which follows the name in brackets. */
static bool owner_sleeps(void)
{
	char path[64], stat[512];
	const char *behind;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)atomic_load(&gate.owner));
	fd = kernel_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	got = kernel_read(fd, stat, sizeof(stat) - 1);
	kernel_close(fd);
	stat[got > 0 ? got : 0] = '\0';
	behind = strrchr(stat, ')');
	return behind && (behind[2] == 'S' || behind[2] == 'D');
}

static bool is_to_be_passed(uint64_t in_call_ns)
{
	return in_call_ns >= PASS_AWAKE_NS || (in_call_ns >= PASS_ASLEEP_NS && owner_sleeps());
}

static void enter_or_pass(void)
{
	unsigned call = 0;
	uint64_t since_ns = 0;
	bool has_turn = false;

	atomic_fetch_add(&gate.waiting, 1);
	for (;;) {
		unsigned now = atomic_load(&gate_passage.calls);

		has_turn = has_turn || pthread_mutex_trylock(&gate.turn) == 0;
		if (has_turn && pthread_mutex_trylock(&gate.inside) == 0) {
			gate_is_inside = true;
			break;
		}
		if (!is_in_call(now) || now != call)
			since_ns = clock_ns();
		else if (is_to_be_passed(clock_ns() - since_ns) && pass(call)) {
			host.has_passed = true;
			break;
		}
		call = now;
		kernel_nanosleep(&moment, NULL);
	}
	if (has_turn)
		pthread_mutex_unlock(&gate.turn);
	atomic_fetch_sub(&gate.waiting, 1);
}

/* A handler that interrupts the fork after this finds that the thread has come in already. */
void gate_enter_to_fork(void)
{
	uint64_t before = signals_block();

	if (!host.forks)
		enter_or_pass();
	host.forks++;
	signals_restore(before);
}

/* The fork whose handler has forked goes on in that child too, with nothing taken. */
void gate_leave_after_fork(void)
{
	if (!host.forks || --host.forks)
		return;
	if (host.has_passed)
		atomic_fetch_sub(&gate_passage.passing, 1);
	else
		leave(false);
	host.has_passed = false;
}

void gate_let_pass(void)
{
	while (atomic_load(&gate_passage.passing))
		kernel_nanosleep(&moment, NULL);
}

void gate_reset(void)
{
	if (gate_is_inside)
		leave(false);
	tid = 0;
	pthread_mutex_init(&gate.turn, NULL);
	pthread_mutex_init(&gate.inside, NULL);
	atomic_store(&gate.waiting, 0);
	atomic_store(&gate_passage.calls, 0);
	atomic_store(&gate_passage.passing, 0);
	host.has_passed = false;
	host.forks = 0;
}

struct slice slice_of(uint64_t ns)
{
	return (struct slice){ .until_ns = clock_ns() + ns };
}

bool slice_over(struct slice *s, size_t bytes)
{
	s->work += bytes + STEP_BYTES;
	if (s->work >= SLICE_LOOK_BYTES) {
		s->work = 0;
		if (clock_ns() >= s->until_ns)
			s->until_ns = 0;
	}
	return s->until_ns == 0 || atomic_load_explicit(&gate.waiting, memory_order_relaxed) != 0;
}
