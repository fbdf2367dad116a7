/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop's half that talks to clients. A connection runs one request at a time; the rest
   of its input waits in its buffer. A client that does not read, or floods us, stops being read. */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/command.h"
#include "control/wire.h"

#define REPLY_ROOM ((size_t)16 << 10)
#define REPLIES_MAX ((size_t)1 << 20)
#define PARKED_BELOW ((size_t)64 << 10)
#define SERVE_NS NS_PER_MS   /* a turn of all connections */
#define SERVE_STEP_BYTES 8192    /* what a request counts for: the clock is read at every fourth */
#define STALL_NS (10 * NS_PER_S)
#define REST_NS NS_PER_S
#define IN_A_ROW_NS (200 * NS_PER_US)
#define LINGER_NS (50 * NS_PER_US)
#define PROGRESS_NS (100 * NS_PER_MS)

/* Connections beyond the limit are told so, if there is room to. */
#define REFUSED_AT_ONCE 8
#define SLOTS (SERVER_CONNECTIONS + REFUSED_AT_ONCE)

enum conn_state { CONN_FREE, CONN_OPEN, CONN_CLOSING, CONN_GONE };

struct conn {
	enum conn_state state; /* closing: what is in `out` still goes; gone: a job has to end */
	int fd;
	bool over_limit;
	bool eof;
	bool discarding; /* the rest of a line that was too long */
	size_t skip;     /* bytes to come of a packet that was too long */
	bool unfinished; /* `in` may hold more requests than were served in a turn */
	struct buf in, out;
	size_t at;    /* of `in`: where the next request begins, or the one that is running */
	size_t taken; /* by the one that is running */
	size_t sent;  /* of `out` */
	uint64_t stalled_ns; /* since when the client has taken nothing; 0: it does */
	pid_t pid;
	uid_t uid;
	struct reply reply;
	struct rpc_call call;
};

static struct conn conns[SLOTS];
static unsigned open_count;
static int listener = -1;
static uint64_t rest_until_ns; /* accept found no descriptor */
static uint64_t last_request_ns, linger_until_ns;

static struct pollfd polled[SLOTS + 1];
static struct conn *polled_conn[SLOTS + 1];
static unsigned polled_count;

static uid_t overflow_uid = 65534;

int server_start(int fd)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct conn *c = &conns[i];

		if (!c->in.data && buf_init(&c->in, WIRE_REQUEST_MAX + 1) < 0)
			return -ENOMEM;
		if (!c->out.data && buf_init(&c->out, REPLY_ROOM) < 0)
			return -ENOMEM;
	}
	listener = fd;
	return 0;
}

void server_forget(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct conn *c = &conns[i];
		struct buf in = c->in, out = c->out;

		if (c->state == CONN_FREE)
			continue;
		*c = (struct conn){ .in = in, .out = out };
		buf_clear(&c->in, WIRE_REQUEST_MAX + 1);
		buf_clear(&c->out, REPLY_ROOM);
	}
	open_count = 0;
	listener = -1;
	rest_until_ns = 0;
	polled_count = 0;
}

unsigned server_clients(void)
{
	return open_count;
}

static void release(struct conn *c)
{
	struct buf in = c->in, out = c->out;

	buf_clear(&in, WIRE_REQUEST_MAX + 1);
	buf_clear(&out, REPLY_ROOM);
	*c = (struct conn){ .in = in, .out = out };
}

/* The client has gone, or goes now. A command of its that is under way is cancelled, and the slot
   stays until that has ended. */
static void hang_up(struct conn *c)
{
	close(c->fd);
	rest_until_ns = 0;
	open_count -= !c->over_limit;
	if (!c->reply.deferred) {
		release(c);
		return;
	}
	c->state = CONN_GONE;
	c->reply.mute = true;
	c->reply.job.cancelled = !c->reply.job.urgent; /* what takes back runs to its end */
	c->reply.job.parked = false;
}

static size_t unsent(const struct conn *c)
{
	return c->out.len - c->sent;
}

/* What may leave now: a reply that has to go in one piece waits for its end. */
static size_t sendable(const struct conn *c)
{
	const struct reply *r = &c->reply;

	return r->deferred && r->begun && r->ops->whole ? r->start : c->out.len;
}

/* Sends what the socket takes. The bytes in front are dropped only once they are many, so that a
   reader of small pieces does not make us move a megabyte each time. */
static void flush(struct conn *c)
{
	if (c->out.failed) { /* no memory for a long reply: half of one would mislead */
		hang_up(c);
		return;
	}
	while (sendable(c) > c->sent) {
		ssize_t n = send(c->fd, c->out.data + c->sent, sendable(c) - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!c->stalled_ns)
				c->stalled_ns = clock_ns();
			break;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			hang_up(c);
			return;
		}
		c->sent += (size_t)n;
		c->stalled_ns = 0;
	}
	if (!unsent(c)) {
		buf_clear(&c->out, REPLY_ROOM);
		c->sent = 0;
	} else if (c->sent >= REPLY_ROOM) {
		buf_consume(&c->out, c->sent);
		c->reply.start -= c->sent;
		c->sent = 0;
	}
	if (c->reply.deferred && unsent(c) < PARKED_BELOW)
		c->reply.job.parked = false;
	if (!unsent(c) && c->state == CONN_CLOSING)
		hang_up(c);
}

static size_t unread(const struct conn *c)
{
	return c->in.len - c->at;
}

/* Once for each turn, not for each request; and never under a running one, whose words lie there. */
static void compact_input(struct conn *c)
{
	if (c->reply.deferred || c->reply.batch.open || !c->at)
		return;
	buf_consume(&c->in, c->at);
	c->at = 0;
}

/* Past the request that was running; inside a batch there are more in the same bytes. */
static void advance(struct conn *c)
{
	if (c->reply.batch.open)
		return;
	if (c->taken > unread(c)) {
		c->skip = c->taken - unread(c);
		c->taken = unread(c);
	}
	c->at += c->taken;
	if (c->reply.close)
		c->state = CONN_CLOSING;
}

static void begin_reply(struct conn *c)
{
	c->reply = (struct reply){ .out = &c->out, .batch = c->reply.batch };
}

static void finish_request(struct conn *c)
{
	struct reply *r = &c->reply;

	if (!r->mute)
		r->ops->end(r);
	r->deferred = false;
	advance(c);
}

static void refuse(struct conn *c, int code, const char *why)
{
	begin_reply(c);
	c->reply.ops = wire_for(c->in.data[c->at])->ops;
	reply_fault(&c->reply, code, "%s", why);
	c->reply.ops->end(&c->reply);
}

/* A request that does not fit is answered, and the rest of its line is read over. */
static void refuse_long(struct conn *c)
{
	refuse(c, 400, "the request is longer than 65536 bytes");
	c->discarding = true;
	c->at = c->in.len;
}

static bool discard_line(struct conn *c)
{
	size_t line = wire_line(c->in.data + c->at, unread(c), false);

	c->discarding = !line;
	c->at = line ? c->at + line : c->in.len;
	return !c->discarding;
}

/* False while bytes to be read over have yet to come. */
static bool skip_packet(struct conn *c)
{
	size_t n = c->skip < unread(c) ? c->skip : unread(c);

	c->at += n;
	c->skip -= n;
	return c->skip == 0;
}

static void skip_blanks(struct conn *c)
{
	while (unread(c) && c->in.data[c->at] && strchr(" \t\r\n", c->in.data[c->at]))
		c->at++;
}

/* Waking up costs most of a round trip. While a client sends one request right after the other, look
   for the next for a moment before going to sleep; a single command never does that. */
static void note_request(void)
{
	uint64_t now = clock_ns();

	linger_until_ns = now - last_request_ns < IN_A_ROW_NS ? now + LINGER_NS : 0;
	last_request_ns = now;
}

/* Reads the next request off the input, or off the batch that is open. False when there is none yet. */
static bool take_request(struct conn *c)
{
	const struct wire *wire = wire_for(c->in.data[c->at]);

	begin_reply(c);
	c->call = (struct rpc_call){ .pid = c->pid, .uid = c->uid };
	if (c->reply.batch.open) {
		wire->next(&c->call, &c->reply);
		return true;
	}
	c->taken = wire->take(c->in.data + c->at, unread(c), c->eof, &c->call, &c->reply);
	if (!c->taken && unread(c) >= WIRE_REQUEST_MAX)
		refuse_long(c);
	return c->taken != 0;
}

/* Runs the next request. False when there is none yet, or the one begun takes longer. */
static bool serve_one(struct conn *c)
{
	if ((c->discarding && !discard_line(c)) || !skip_packet(c))
		return false;
	if (!c->reply.batch.open)
		skip_blanks(c);
	if (!unread(c))
		return false;
	if (c->over_limit) {
		refuse(c, 503, "too many connections, 64 are open");
		c->state = CONN_CLOSING;
		return false;
	}
	if (!take_request(c))
		return false;
	if (!c->call.method) {
		advance(c);
		return true;
	}
	note_request();
	command_run(&c->call, &c->reply);
	if (c->reply.deferred)
		return false;
	finish_request(c);
	return true;
}

/* May another request be run now? */
static bool has_room(const struct conn *c)
{
	return c->state == CONN_OPEN && !c->reply.deferred && unsent(c) < REPLIES_MAX;
}

static void serve(struct conn *c)
{
	struct slice turn = slice_of(SERVE_NS / (open_count ? open_count : 1));
	bool more = true;

	while (more && has_room(c) && !slice_over(&turn, SERVE_STEP_BYTES))
		more = serve_one(c);
	c->unfinished = more && !c->reply.deferred;
	if (c->eof && !c->unfinished && has_room(c))
		c->state = CONN_CLOSING;
	compact_input(c);
	flush(c);
}

/* How far a job is: what is done, and the part of the chunk in hand. */
static uint64_t done_bytes(const struct job *j)
{
	bool counts = j->moving.stage == TRANSIT_FILLING || j->moving.stage == TRANSIT_PURGING;

	return j->bytes + (counts ? j->moving.done : 0);
}

void server_tell_progress(void)
{
	uint64_t now = clock_ns();

	for (unsigned i = 0; i < SLOTS; i++) {
		struct conn *c = &conns[i];
		struct reply *r = &c->reply;

		if (c->state != CONN_OPEN || !r->deferred || !r->progress_ns || r->begun)
			continue;
		/* The first only after a while: short commands need none. */
		if (r->progress_ns > 1 && now >= r->progress_ns && unsent(c) < REPLIES_MAX) {
			r->ops->progress(r, done_bytes(&r->job), r->job.goal);
			flush(c);
		}
		if (r->progress_ns == 1 || now >= r->progress_ns)
			r->progress_ns = now + PROGRESS_NS;
	}
}

static void job_done(struct job *j)
{
	struct reply *r = j->owner;
	struct conn *c = (struct conn *)((char *)r - offsetof(struct conn, reply));

	if (c->state == CONN_GONE) {
		release(c);
		return;
	}
	r->answer(r);
	finish_request(c);
	serve(c);
}

struct job *reply_defer(struct reply *r, void (*answer)(struct reply *r))
{
	r->deferred = true;
	r->answer = answer;
	r->job = (struct job){ .done = job_done, .owner = r };
	return &r->job;
}

static bool is_allowed(const struct ucred *peer)
{
	return peer->uid == 0 || (peer->uid == geteuid() && peer->uid != overflow_uid);
}

static struct conn *free_slot(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (conns[i].state == CONN_FREE)
			return &conns[i];
	return NULL;
}

static void accept_one(void)
{
	struct conn *c = free_slot();
	struct ucred peer = { .uid = overflow_uid };
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* Else poll would wake us again at once, for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			rest_until_ns = clock_ns() + REST_NS;
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !is_allowed(&peer)) {
		close(fd);
		return;
	}
	c->state = CONN_OPEN;
	c->fd = fd;
	c->pid = peer.pid;
	c->uid = peer.uid;
	c->over_limit = open_count >= SERVER_CONNECTIONS;
	c->stalled_ns = c->over_limit ? clock_ns() : 0;
	open_count += !c->over_limit;
}

static void receive(struct conn *c)
{
	size_t room = WIRE_REQUEST_MAX - c->in.len;
	ssize_t n = room ? recv(c->fd, c->in.data + c->in.len, room, MSG_DONTWAIT) : 0;

	if (n > 0)
		c->in.len += (size_t)n;
	else if (room && n == 0)
		c->eof = true;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		hang_up(c);
		return;
	}
	serve(c);
}

/* What to wait for on a connection. Its end is reported in any case. */
static short wanted_events(const struct conn *c)
{
	short events = 0;

	if (sendable(c) > c->sent)
		events |= POLLOUT;
	if (c->state == CONN_OPEN && !c->eof && !c->reply.deferred && c->in.len < WIRE_REQUEST_MAX &&
	    unsent(c) < REPLIES_MAX)
		events |= POLLIN;
	return events;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_polled(int fd, short events, struct conn *c)
{
	polled[polled_count] = (struct pollfd){ .fd = fd, .events = events };
	polled_conn[polled_count++] = c;
}

/* True when something came meanwhile. */
static bool linger(uint64_t now_ns, uint64_t deadline_ns)
{
	static const struct timespec none;
	uint64_t until_ns = earlier(linger_until_ns, deadline_ns);

	for (; now_ns < until_ns; now_ns = clock_ns())
		if (ppoll(polled, polled_count, &none, NULL) > 0)
			return true;
	return false;
}

void server_wait(uint64_t deadline_ns)
{
	uint64_t now = clock_ns();
	struct timespec left;

	polled_count = 0;
	if (listener >= 0 && now >= rest_until_ns && free_slot())
		add_polled(listener, POLLIN, NULL);
	else if (rest_until_ns > now)
		deadline_ns = earlier(deadline_ns, rest_until_ns);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct conn *c = &conns[i];

		if (c->state != CONN_OPEN && c->state != CONN_CLOSING)
			continue;
		add_polled(c->fd, wanted_events(c), c);
		if (c->unfinished && has_room(c))
			deadline_ns = 0;
		if (c->stalled_ns)
			deadline_ns = earlier(deadline_ns, c->stalled_ns + STALL_NS);
	}
	if (linger(now, deadline_ns))
		return;
	left = clock_until(deadline_ns, now);
	if (ppoll(polled, polled_count, deadline_ns == CLOCK_NEVER ? NULL : &left, NULL) < 0)
		for (unsigned i = 0; i < polled_count; i++)
			polled[i].revents = 0;
}

static void handle(struct conn *c, short events)
{
	if (events & (POLLHUP | POLLERR | POLLNVAL) && !(events & POLLIN)) {
		/* Both directions are closed; with only one closed there is a reply to send yet. */
		hang_up(c);
		return;
	}
	if (c->stalled_ns && clock_ns() >= c->stalled_ns + STALL_NS) {
		hang_up(c);
		return;
	}
	if (events & POLLIN)
		receive(c);
	else if (c->unfinished || events & POLLOUT)
		serve(c);
}

void server_handle(void)
{
	bool newcomer = false;

	for (unsigned i = 0; i < polled_count; i++) {
		if (polled_conn[i])
			handle(polled_conn[i], polled[i].revents);
		else
			newcomer = polled[i].revents & POLLIN;
	}
	/* Last: who has left has made room. */
	if (newcomer)
		accept_one();
}
