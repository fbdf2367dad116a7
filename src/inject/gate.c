/* SPDX-License-Identifier: BSD-2-Clause */
/* The inject layer's lock, and the clock that long loops obey. */
#include "gate.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"

/* Whoever wants `inside` holds `turn` while waiting for it. So our thread, which comes straight
   back, queues behind a host thread that is already waiting instead of overtaking it. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint waiting;

/* A step costs something even where it handles few bytes. */
#define STEP_BYTES 128

void gate_enter_last(void)
{
	pthread_mutex_lock(&turn);
	pthread_mutex_lock(&inside);
	pthread_mutex_unlock(&turn);
}

void gate_enter(void)
{
	atomic_fetch_add(&waiting, 1);
	gate_enter_last();
	atomic_fetch_sub(&waiting, 1);
}

void gate_leave(void)
{
	pthread_mutex_unlock(&inside);
}

void gate_reset(void)
{
	pthread_mutex_init(&turn, NULL);
	pthread_mutex_init(&inside, NULL);
	atomic_store(&waiting, 0);
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
	return s->until_ns == 0 || atomic_load_explicit(&waiting, memory_order_relaxed) != 0;
}
