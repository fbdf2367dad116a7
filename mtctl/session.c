/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks targets. One that did not answer is not asked again: what it says later would be taken for
   the answer to something else. */
#include "session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
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
	s->talks = calloc(s->left, sizeof(*s->talks));
	if (!s->talks) {
		s->left = 0;
		session_close(s);
		return out_error(CTL_UNREACHABLE, "memory ran out");
	}
	for (size_t i = 0; i < s->left; i++)
		s->talks[i].link = (struct link)LINK_CLOSED;
	return CTL_DONE;
}

void session_close(struct session *s)
{
	for (size_t i = 0; s->talks && i < s->targets.count; i++)
		link_close(&s->talks[i].link);
	free(s->talks);
	find_free(&s->targets);
}

struct asking {
	struct session *s;
	const struct buf *request;
	size_t waiting;
	int worst;
};

static void name_in_front(const struct asking *a, size_t i)
{
	const struct proc *asked = &a->s->targets.at[i].proc;

	if (a->s->options->all)
		out_about(asked->pid, asked->name);
}

static void finish(struct asking *a, size_t i, int status)
{
	out_about(-1, NULL);
	fflush(stdout); /* the others may take long */
	a->s->talks[i].waits = false;
	a->waiting--;
	a->worst = ctl_worse(a->worst, status);
}

static void show(struct asking *a, size_t i, const struct answer *answer)
{
	name_in_front(a, i);
	finish(a, i, call_show(answer));
}

static void give_up(struct asking *a, size_t i, int rc)
{
	struct talk *t = &a->s->talks[i];
	int status;

	name_in_front(a, i);
	status = target_error(&a->s->targets.at[i], rc, t->link.peer, a->s->options);
	link_close(&t->link);
	t->lost = true;
	a->s->left--;
	finish(a, i, status);
}

/* As much as goes without waiting. The deadlines are those of the first try, until it is let in. */
static int advance(struct asking *a, size_t i)
{
	struct talk *t = &a->s->talks[i];
	const struct instance *at = &a->s->targets.at[i];
	const struct link begun = t->link;
	ssize_t n = 0;
	int rc = at->trouble; /* with --all some are only named */

	if (rc == 0 && t->link.fd < 0) {
		rc = link_dial(&t->link, at->socket, at->given ? NULL : &at->proc, a->s->options->patience);
		t->link.idle_ns = begun.idle_ns;
		t->link.total_ns = begun.total_ns;
		if (rc == 0)
			link_begin(&t->link);
	}
	while (rc == 0 && t->sent < a->request->len) {
		n = link_put(&t->link, a->request->data + t->sent, a->request->len - t->sent);
		if (n < 0)
			rc = (int)n;
		else
			t->sent += (size_t)n;
	}
	return rc;
}

/* One line at the most, so that one that never pauses keeps nobody from being heard. */
static void hear(struct asking *a, size_t i)
{
	struct talk *t = &a->s->talks[i];
	struct answer answer;
	const char *line;
	size_t len;
	int rc = link_take(&t->link, &line, &len);

	t->has_more = rc == 0;
	if (rc == 0)
		rc = call_read(line, len, a->s->asked, &answer);
	if (rc == 0 && !answer.unfinished)
		show(a, i, &answer);
	else if (rc < 0 && rc != -EAGAIN)
		give_up(a, i, rc);
}

static void begin(struct asking *a, size_t i)
{
	struct talk *t = &a->s->talks[i];

	t->waits = true;
	t->has_more = false;
	t->sent = 0;
	t->link.patience = a->s->options->patience;
	link_begin(&t->link);
	a->waiting++;
}

/* The kernel tells nobody when a full queue has room again. */
#define AGAIN_NS (20 * NS_PER_MS)

/* Everybody's turn: to be let in, to be sent more, to be heard, to be given up. */
static void take_turns(struct asking *a)
{
	for (size_t i = 0; i < a->s->targets.count; i++) {
		struct talk *t = &a->s->talks[i];
		int rc = t->waits ? advance(a, i) : 0;

		if (rc < 0 && rc != -EAGAIN)
			give_up(a, i, rc);
		else if (t->waits && t->link.fd >= 0)
			hear(a, i);
		rc = t->waits ? link_overdue(&t->link, clock_ns()) : 0;
		if (rc < 0)
			give_up(a, i, rc);
	}
}

static void wait_for_any(const struct asking *a, struct pollfd *polled)
{
	const uint64_t now = clock_ns();
	uint64_t until = CLOCK_NEVER;
	struct timespec left;
	nfds_t count = 0;

	for (size_t i = 0; i < a->s->targets.count; i++) {
		const struct talk *t = &a->s->talks[i];

		if (!t->waits)
			continue;
		if (link_until(&t->link) < until)
			until = link_until(&t->link);
		if (t->has_more)
			until = now;
		else if (t->link.fd < 0 && now + AGAIN_NS < until)
			until = now + AGAIN_NS;
		polled[count++] = (struct pollfd){ .fd = t->link.fd,
						   .events = t->sent < a->request->len ? POLLIN | POLLOUT : POLLIN };
	}
	left = clock_until(until, now);
	ppoll(polled, count, until == CLOCK_NEVER ? NULL : &left, NULL);
}

static int ask_each(struct session *s, const struct buf *request)
{
	struct asking a = { .s = s, .request = request, .worst = CTL_DONE };
	struct pollfd *polled = calloc(s->targets.count + 1, sizeof(*polled));

	if (!polled)
		return out_error(CTL_UNREACHABLE, "memory ran out");
	for (size_t i = 0; i < s->targets.count; i++)
		if (!s->talks[i].lost)
			begin(&a, i);
	for (take_turns(&a); a.waiting; take_turns(&a))
		wait_for_any(&a, polled);
	free(polled);
	return a.worst;
}

int session_ask(struct session *s, char *const *words, unsigned count)
{
	struct buf request = { 0 };
	int worst = call_request(&request, words, count, ++s->asked);

	if (worst == CTL_DONE && request.failed)
		worst = out_error(CTL_UNREACHABLE, "memory ran out");
	else if (worst == CTL_DONE)
		worst = ask_each(s, &request);
	buf_free(&request);
	return worst;
}

int session_once(const struct options *o, char *const *words, unsigned count)
{
	struct buf request = { 0 };
	struct session s;
	int status = call_request(&request, words, count, 1);

	if (status == CTL_DONE)
		status = session_open(&s, o);
	if (status == CTL_DONE) {
		s.asked = 1;
		status = ask_each(&s, &request);
		session_close(&s);
	}
	buf_free(&request);
	return status;
}
