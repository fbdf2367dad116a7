/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks targets. One that did not answer is not asked again: what it says later would be taken for
   the answer to something else. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>

#include "call.h"
#include "out.h"
#include "target.h"

int session_open(struct session *s, const struct options *o)
{
	int status;

	*s = (struct session){ .options = o };
	status = target_choose(o, &s->targets);
	if (status != CTL_DONE) {
		find_free(&s->targets);
		return status;
	}
	s->left = s->targets.count;
	s->links = calloc(s->left, sizeof(*s->links));
	s->lost = calloc(s->left, sizeof(*s->lost));
	if (!s->links || !s->lost) {
		s->left = 0;
		session_close(s);
		return out_error(CTL_UNREACHABLE, "memory ran out");
	}
	for (size_t i = 0; i < s->left; i++)
		s->links[i] = (struct link)LINK_CLOSED;
	return CTL_DONE;
}

void session_close(struct session *s)
{
	for (size_t i = 0; s->links && s->lost && i < s->targets.count; i++)
		link_close(&s->links[i]);
	free(s->links);
	free(s->lost);
	find_free(&s->targets);
}

/* 0 and the answer, or -errno. */
static int ask_one(struct link *l, const struct instance *at, const struct options *o,
		   const struct buf *request, struct answer *a)
{
	int rc = at->trouble; /* with --all some are only named */

	if (rc == 0 && l->fd < 0)
		rc = link_open(l, at->socket, at->given ? NULL : &at->proc, o->patience);
	if (rc == 0)
		rc = link_send(l, request->data, request->len);
	return rc == 0 ? call_wait(l, a) : rc;
}

static int show_one(struct session *s, size_t i, const struct buf *request)
{
	const struct instance *at = &s->targets.at[i];
	struct answer a;
	int rc, status;

	if (s->options->all)
		out_about(at->proc.pid, at->proc.name);
	rc = ask_one(&s->links[i], at, s->options, request, &a);
	if (rc == 0) {
		status = call_show(&a);
	} else {
		status = target_error(at, rc, s->links[i].peer, s->options);
		link_close(&s->links[i]);
		s->lost[i] = true;
		s->left--;
	}
	out_about(-1, NULL);
	return status;
}

static int ask_all(struct session *s, const struct buf *request)
{
	int worst = CTL_DONE;

	for (size_t i = 0; i < s->targets.count; i++)
		if (!s->lost[i])
			worst = ctl_worse(worst, show_one(s, i, request));
	return worst;
}

int session_ask(struct session *s, char *const *words, unsigned count)
{
	struct buf request = { 0 };
	int worst = call_request(&request, words, count);

	if (worst == CTL_DONE && request.failed)
		worst = out_error(CTL_UNREACHABLE, "memory ran out");
	else if (worst == CTL_DONE)
		worst = ask_all(s, &request);
	buf_free(&request);
	return worst;
}

int session_once(const struct options *o, char *const *words, unsigned count)
{
	struct buf request = { 0 };
	struct session s;
	int status = call_request(&request, words, count);

	if (status == CTL_DONE)
		status = session_open(&s, o);
	if (status == CTL_DONE) {
		status = ask_all(&s, &request);
		session_close(&s);
	}
	buf_free(&request);
	return status;
}
