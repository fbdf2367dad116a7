/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop's half that talks to clients: who is served when. */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/access.h"
#include "control/places.h"
#include "control/trial.h"

#define SERVE_NS (NS_PER_MS / 2) /* a turn of all connections */
#define REST_NS NS_PER_S
#define IN_A_ROW_NS (200 * NS_PER_US)
#define LINGER_NS (50 * NS_PER_US)

static int listener = -1;
static int spare = -1; /* a descriptor that is kept for whoever comes when there is no other */
static uint64_t rest_until_ns;  /* accept found no descriptor */
static bool starved; /* and it has no client whose end would give it one */
static uint64_t rest_from_closed; /* as many connections had been closed then */
static uint64_t last_request_ns, linger_until_ns;

/* The listener, if it may be connected to; the connections; at the end what else wakes us. */
_Static_assert(1 + PLACES_MAX + 1 <= SLEEP_FDS, "the polled set has room for all");
static struct sleeper *waiter; /* whose polled set it is; NULL: nothing has been waited for */
static struct conn *polled_conn[SLEEP_FDS];

/* For the directory, its STOP, the listener and one client; the spare one is not among them. */
#define DESCRIPTORS 4

/* The lowest number that is free, which a limit that is lowered later forbids last. */
static bool keep_spare(void)
{
	if (spare < 0)
		spare = kernel_fcntl(0, F_DUPFD_CLOEXEC, 0);
	return spare >= 0;
}

static void give_up_spare(void)
{
	if (spare >= 0)
		kernel_close(spare);
	spare = -1;
}

static bool has_descriptors(void)
{
	int fds[DESCRIPTORS];
	unsigned got = 0;

	while (got < DESCRIPTORS && (fds[got] = kernel_fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
		got++;
	for (unsigned i = 0; i < got; i++)
		kernel_close(fds[i]);
	return got == DESCRIPTORS;
}

static bool is_allowed(long result)
{
	return result >= 0 || errno == EBADF; /* there is no such descriptor */
}

/* A filter of system calls may refuse one by an error. One that has not been tried may kill for it: then it is a client
   whose coming would tell, and mtctl asks no such process. */
static bool may_serve(void)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	char byte = 0;

	if (!trial_covers_us())
		return true;
	return sleep_can_wait() && is_allowed(kernel_accept4(-1, NULL, NULL, SOCK_CLOEXEC)) &&
	       is_allowed(kernel_getsockopt(-1, SOL_SOCKET, SO_PEERCRED, &peer, &size)) &&
	       is_allowed(kernel_recv(-1, &byte, 1, MSG_DONTWAIT)) &&
	       is_allowed(kernel_send(-1, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int server_reserve(void)
{
	if (!may_serve())
		return -EPERM;
	return places_start() < 0 ? -ENOMEM : keep_spare() && has_descriptors() ? 0 : -EMFILE;
}

void server_close_listener(void)
{
	if (listener >= 0)
		kernel_close(listener);
	listener = -1;
	starved = false;
	rest_until_ns = 0;
}

void server_start(int fd)
{
	server_close_listener();
	listener = fd;
}

bool server_is_starved(void)
{
	return starved;
}

void server_stop(void)
{
	for (unsigned i = 0; i < PLACES_MAX; i++)
		if (places_at(i))
			conn_hang_up(places_at(i));
	places_tidy();
	server_close_listener();
	give_up_spare();
	waiter = NULL;
}

void server_forget(void)
{
	places_forget();
	listener = spare = -1;
	rest_until_ns = 0;
	waiter = NULL;
}

unsigned server_clients(void)
{
	return conn_count();
}

void server_tell_progress(void)
{
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < PLACES_MAX; i++)
		if (places_at(i))
			conn_tell_progress(places_at(i), now);
	places_tidy(); /* the job of a client that has gone may have been the last to need its place */
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Else poll would wake us again at once, for ever. */
static void rest(uint64_t until_ns)
{
	rest_until_ns = until_ns;
	rest_from_closed = conn_closed();
}

static int accept_socket(void)
{
	return kernel_accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* No descriptor is left: the newcomer gets the one that is kept, or that of a silent one who has it. */
static int accept_by_spare(uint64_t now_ns, uint64_t *again_ns)
{
	int fd = -1;

	if (spare >= 0 || places_make_room(now_ns, again_ns)) {
		give_up_spare();
		fd = accept_socket();
	} else {
		errno = EMFILE;
	}
	return fd;
}

static bool is_empty(void)
{
	return !conn_count() && !conn_reserved_count();
}

static void accept_one(void)
{
	uint64_t now = clock_ns(), again_ns = CLOCK_NEVER;
	struct conn *vacant = places_vacant(now, &again_ns);
	struct ucred peer;
	bool last;
	int fd;

	if (!vacant) {
		rest(earlier(again_ns, now + REST_NS));
		return;
	}
	(void)keep_spare(); /* first: a newcomer may not take the one that a client has just given back */
	fd = accept_socket();
	last = fd < 0 && errno == EMFILE;
	if (last)
		fd = accept_by_spare(now, &again_ns);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			rest(earlier(again_ns, now + REST_NS));
		starved = errno == EMFILE && is_empty();
		return;
	}
	if (!access_begins(fd, &peer)) {
		kernel_close(fd);
		return;
	}
	places_take(vacant, fd, peer.pid, peer.uid, last);
}

static void add_polled(int fd, short events, struct conn *c)
{
	polled_conn[waiter->count] = c;
	sleep_add(waiter, fd, events);
}

/* True when something came meanwhile. */
static bool linger(uint64_t now_ns, uint64_t deadline_ns)
{
	uint64_t until_ns = earlier(linger_until_ns, deadline_ns);

	for (; now_ns < until_ns; now_ns = clock_ns())
		if (sleep_look(waiter))
			return true;
	return false;
}

/* The listener rests a second, or until a connection has closed. */
static bool is_resting(uint64_t now_ns)
{
	return now_ns < rest_until_ns && conn_closed() == rest_from_closed;
}

/* Returns when the next of them has to be looked at again in any case. */
static uint64_t add_all(uint64_t deadline_ns)
{
	if (is_resting(clock_ns()))
		deadline_ns = earlier(deadline_ns, rest_until_ns);
	else if (listener >= 0 && places_free_ns() <= clock_ns())
		add_polled(listener, POLLIN, NULL);
	else if (listener >= 0)
		deadline_ns = earlier(deadline_ns, places_free_ns());
	for (unsigned i = 0; i < PLACES_MAX; i++) {
		struct conn *c = places_at(i);

		if (!c)
			continue;
		add_polled(c->fd, conn_events(c), c);
		if (conn_is_ready(c))
			deadline_ns = 0;
		deadline_ns = earlier(deadline_ns, conn_patience_ns(c));
	}
	return deadline_ns;
}

bool server_wait(struct sleeper *s, uint64_t deadline_ns, int other_fd)
{
	waiter = s;
	sleep_clear(s);
	deadline_ns = add_all(deadline_ns);
	if (other_fd >= 0)
		add_polled(other_fd, POLLIN, NULL);
	if (!linger(clock_ns(), deadline_ns)) {
		/* The scheduler may let a thread that never sleeps run on until its next tick, 4 ms at 250 Hz, while
		   the client that it has just woken waits for that core. */
		if (deadline_ns == 0)
			kernel_sched_yield();
		sleep_until(s, deadline_ns);
	}
	return other_fd >= 0 && s->polled[s->count - 1].revents & POLLIN;
}

/* Has its client gone, or taken nothing for too long? */
static bool is_over(const struct conn *c, short events)
{
	/* Both directions are closed; with only one closed there is a reply to send yet. */
	if (events & (POLLHUP | POLLERR | POLLNVAL) && !(events & POLLIN))
		return true;
	return c->stalled_ns && clock_ns() >= conn_patience_ns(c);
}

/* Waking up costs most of a round trip. While a client sends one request right after the other, look
   for the next for a moment before going to sleep; a single command never does that. */
static void note_requests(unsigned served)
{
	uint64_t now = clock_ns();

	if (!served)
		return;
	linger_until_ns = now - last_request_ns < IN_A_ROW_NS ? now + LINGER_NS : 0;
	last_request_ns = now;
}

static bool has_something(const struct conn *c, short events)
{
	return (c->state == CONN_OPEN || c->state == CONN_CLOSING) && (events || conn_is_ready(c));
}

static void serve(struct conn *c, short events, uint64_t ns)
{
	if (events & POLLIN)
		conn_receive(c);
	if (c->state != CONN_FREE && c->state != CONN_GONE)
		note_requests(conn_serve(c, ns));
}

/* Those that have (`behind`) or have not requests left over from an earlier turn, each for its share
   of this one, one at the least. Once the turn is over the rest go first in the next. */
static void serve_those(bool behind, struct slice *turn)
{
	static unsigned first[2];
	uint64_t share_ns = SERVE_NS / (conn_count() ? conn_count() : 1);

	for (unsigned n = 0; n < waiter->count; n++) {
		unsigned i = (first[behind] + n) % waiter->count;
		struct pollfd *polled = &waiter->polled[i];
		struct conn *c = polled_conn[i];

		if (!c || c->unfinished != behind || !has_something(c, polled->revents))
			continue;
		serve(c, polled->revents, share_ns);
		polled->revents = 0;
		if (slice_over(turn, SLICE_LOOK_BYTES)) {
			first[behind] = i + 1;
			return;
		}
	}
}

static bool newcomer_came(void)
{
	const struct pollfd *first = waiter->polled;

	return waiter->count && first->fd == listener && first->revents & POLLIN;
}

void server_handle(void)
{
	struct slice turn = slice_of(SERVE_NS);

	if (!waiter)
		return;
	for (unsigned i = 0; i < waiter->count; i++)
		if (polled_conn[i] && is_over(polled_conn[i], waiter->polled[i].revents))
			conn_hang_up(polled_conn[i]);
	/* Who asks little does not wait for who asks much. */
	serve_those(false, &turn);
	serve_those(true, &turn);
	if (newcomer_came())
		accept_one(); /* last: who has left has made room */
	places_tidy();
	waiter = NULL;
}
