/* SPDX-License-Identifier: BSD-2-Clause */
/* The targets of a run of mtctl, each with its connection, asked one after the other. */
#ifndef MT_CTL_SESSION_H
#define MT_CTL_SESSION_H

#include "ctl.h"
#include "find.h"
#include "link.h"

struct session {
	const struct options *options;
	struct instances targets;
	struct link *links; /* one a target, opened when it is first asked */
	bool *lost;         /* it cannot be asked any more */
	size_t left;        /* how many are not lost */
};

/* An exit status; nothing is open unless it is CTL_DONE. */
int session_open(struct session *s, const struct options *o);
void session_close(struct session *s);

/* Asks each target, shows the answers; the worst status. */
int session_ask(struct session *s, char *const *words, unsigned count);

/* session_open, one session_ask, session_close. */
int session_once(const struct options *o, char *const *words, unsigned count);

#endif
