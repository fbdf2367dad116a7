/* SPDX-License-Identifier: BSD-2-Clause */
/* One loop for all connections. Connecting to a Unix socket never waits: it succeeds at once or is refused. */
#include "ask.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

#define AGAIN_NS (20 * NS_PER_MS)

struct asking {
	struct asked *asked;
	size_t count;
	size_t fresh; /* the first that has not had a turn */
	size_t talking, busy;
	const struct buf *requests;
	bool (*hear)(struct asked *one, const struct answer *a);
	uint64_t turn_ns, deadline_ns;
};

static void end(struct asking *all, struct asked *one, int rc)
{
	one->rc = rc;
	all->talking -= one->state == ASK_TALKS;
	all->busy -= one->state == ASK_BUSY;
	one->state = ASK_OVER;
	link_close(&one->link);
}

static void put(struct asking *all, struct asked *one)
{
	ssize_t n = link_put(&one->link, all->requests->data + one->sent, all->requests->len - one->sent);

	if (n >= 0)
		one->sent += (size_t)n;
	else if (n != -EAGAIN)
		end(all, one, (int)n);
}

/* All replies that are there. Nobody has asked for lines that tell of progress. */
static void take(struct asking *all, struct asked *one)
{
	struct answer a;
	const char *line;
	size_t len;
	int rc;

	while ((rc = link_take(&one->link, &line, &len)) == 0) {
		rc = call_read(line, len, ++one->heard, &a);
		if (rc == 0 && a.unfinished)
			rc = -EPROTO;
		if (rc < 0 || !all->hear(one, &a))
			break;
	}
	if (rc != -EAGAIN)
		end(all, one, rc);
}

static void begin(struct asking *all, struct asked *one, uint64_t now)
{
	const struct proc *process = one->at->given ? NULL : &one->at->proc;
	int rc = one->at->trouble ? one->at->trouble :
				    link_dial(&one->link, one->at->socket, process, (struct patience){ 0 });

	all->busy -= one->state == ASK_BUSY;
	if (rc == -EAGAIN || rc == -EMFILE) {
		one->state = ASK_BUSY;
		one->until_ns = now + AGAIN_NS;
		all->busy++;
		return;
	}
	one->state = rc == 0 ? ASK_TALKS : ASK_OVER;
	one->rc = rc;
	if (rc < 0)
		return;
	all->talking++;
	one->link.line_max = ASK_LINE_MAX;
	one->until_ns = now + all->turn_ns;
	put(all, one);
}

/* Ends turns that have lasted long enough, tries the busy ones again, and gives the others their turn. */
static void take_turns(struct asking *all, uint64_t now)
{
	for (size_t i = 0; i < all->fresh; i++) {
		struct asked *one = &all->asked[i];

		if (one->state == ASK_TALKS && all->fresh < all->count && now >= one->until_ns)
			end(all, one, -ETIMEDOUT);
		else if (one->state == ASK_BUSY && all->talking < ASK_AT_ONCE && now >= one->until_ns)
			begin(all, one, now);
	}
	while (all->fresh < all->count && all->talking < ASK_AT_ONCE)
		begin(all, &all->asked[all->fresh++], now);
}

static uint64_t next_change(const struct asking *all)
{
	uint64_t next = all->deadline_ns;

	for (size_t i = 0; i < all->fresh; i++) {
		const struct asked *one = &all->asked[i];

		if ((one->state == ASK_BUSY || (one->state == ASK_TALKS && all->fresh < all->count)) &&
		    one->until_ns < next)
			next = one->until_ns;
	}
	return next;
}

static void wait_and_talk(struct asking *all)
{
	struct pollfd polled[ASK_AT_ONCE];
	struct asked *of[ASK_AT_ONCE];
	struct timespec left = clock_until(next_change(all), clock_ns());
	nfds_t count = 0;

	for (size_t i = 0; i < all->fresh; i++) {
		struct asked *one = &all->asked[i];

		if (one->state != ASK_TALKS)
			continue;
		of[count] = one;
		polled[count++] = (struct pollfd){
			.fd = one->link.fd, .events = one->sent < all->requests->len ? POLLIN | POLLOUT : POLLIN
		};
	}
	if (ppoll(polled, count, &left, NULL) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++) {
		if (polled[i].revents & POLLOUT)
			put(all, of[i]);
		if (of[i]->state == ASK_TALKS && polled[i].revents & ~POLLOUT)
			take(all, of[i]);
	}
}

void ask_all(struct asked *asked, size_t count, const struct buf *requests,
	     bool (*hear)(struct asked *one, const struct answer *a), uint64_t deadline_ns)
{
	struct asking all = { .asked = asked, .count = count, .requests = requests, .hear = hear,
			      .deadline_ns = deadline_ns };
	uint64_t now = clock_ns();

	all.turn_ns = (deadline_ns > now ? deadline_ns - now : 0) / (count / ASK_AT_ONCE + 1);
	for (;; now = clock_ns()) {
		take_turns(&all, now);
		if (now >= deadline_ns || (!all.talking && !all.busy && all.fresh == count))
			break;
		wait_and_talk(&all);
	}
	for (size_t i = 0; i < count; i++)
		if (asked[i].state == ASK_TALKS || asked[i].state == ASK_BUSY)
			end(&all, &asked[i], -ETIMEDOUT);
		else if (asked[i].state == ASK_WAITS)
			asked[i].rc = -ETIMEDOUT;
}
