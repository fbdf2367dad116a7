/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks many instances the same at the same time, under one deadline. */
#ifndef MT_CTL_ASK_H
#define MT_CTL_ASK_H

#include "call.h"
#include "find.h"
#include "link.h"

/* How many are asked at once. */
#define ASK_AT_ONCE 48

/* The longest reply that is taken. */
#define ASK_LINE_MAX ((size_t)256 << 10)

enum ask_state {
	ASK_WAITS, /* zero: it has not had its turn */
	ASK_BUSY,  /* too many others wait to be let in */
	ASK_TALKS,
	ASK_OVER
};

struct asked {
	const struct instance *at;
	void *context;
	enum ask_state state;
	struct link link;
	int rc;            /* once it is over: 0 where `hear` had enough; -errno of connecting, or as link_take and
			      call_read; -ETIMEDOUT where it was not heard in time */
	size_t sent;
	unsigned heard;    /* replies: the next one's id is one more */
	uint64_t until_ns; /* its turn's end while it talks; while it is busy, when it is tried again */
};

/* Sends the requests, whose ids count from 1, to each, which `at` and `context` describe. Calls `hear` with each reply, in
   the order of the requests, until that returns false. Who talks for longer than its share of the time loses its turn to those who
   have not had theirs, so whoever never answers keeps nobody from being asked. Nothing is waited for behind
   `deadline_ns`. */
void ask_all(struct asked *asked, size_t count, const struct buf *requests,
	     bool (*hear)(struct asked *one, const struct answer *a), uint64_t deadline_ns);

#endif
