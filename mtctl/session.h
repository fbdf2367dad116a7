/* SPDX-License-Identifier: BSD-2-Clause */
/* The targets of a run of mtctl, each with its connection, all asked at once, so that a silent one delays nobody. */
#ifndef MT_CTL_SESSION_H
#define MT_CTL_SESSION_H

#include "ctl.h"
#include "find.h"
#include "link.h"

struct talk {
	struct link link; /* opened when it is first asked */
	bool lost;        /* it cannot be asked any more */
	bool waits;       /* for the answer */
	bool has_more;    /* there may be lines that were received already */
	size_t sent;      /* of the request */
};

struct session {
	const struct options *options;
	struct instances targets;
	struct talk *talks; /* one a target */
	size_t left;        /* how many are not lost */
	unsigned asked;     /* how often each of these was: the id of the last request */
};

/* An exit status; nothing is open unless it is CTL_DONE. */
int session_open(struct session *s, const struct options *o);
void session_close(struct session *s);

/* Asks each target, shows the answers as they come; the worst status. */
int session_ask(struct session *s, char *const *words, unsigned count);

/* session_open, one session_ask, session_close. */
int session_once(const struct options *o, char *const *words, unsigned count);

#endif
