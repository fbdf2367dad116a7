/* SPDX-License-Identifier: BSD-2-Clause */
/* From bytes to requests, from replies to bytes: server.c says when. */
#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "control/access.h"
#include "control/command.h"
#include "control/wire.h"

#define REPLY_ROOM ((size_t)16 << 10)
#define REPLIES_MAX ((size_t)1 << 20)
#define PARKED_BELOW ((size_t)64 << 10)
#define STALL_NS (10 * NS_PER_S)
#define SERVE_STEP_BYTES ((size_t)2048)
#define SERVE_WEIGHT ((size_t)8)
#define RESUME_NS (100 * NS_PER_US) /* a turn right after a long command */
#define PROGRESS_NS (100 * NS_PER_MS)

/* By where they are: ordinary places, and reserved ones. */
static unsigned ordinary_count, reserved_count;
static uint64_t closed_count;

static const char *const refusals[] = {
	[CONN_TOO_MANY] = "too many connections, 64 are open",
	[CONN_NO_MEMORY] = "no memory for another connection",
	[CONN_NO_DESCRIPTOR] = "no descriptor for another connection",
};

unsigned conn_count(void)
{
	return ordinary_count;
}

unsigned conn_reserved_count(void)
{
	return reserved_count;
}

uint64_t conn_closed(void)
{
	return closed_count;
}

int conn_reserve(struct conn *c, char *room, size_t bytes)
{
	*c = (struct conn){ .in = { .data = room, .cap = bytes } };
	return buf_init(&c->out, REPLY_ROOM);
}

void conn_end(struct conn *c)
{
	buf_free(&c->out);
}

void conn_open(struct conn *c, int fd, pid_t pid, uid_t uid, enum conn_place place)
{
	c->state = CONN_OPEN;
	c->fd = fd;
	c->pid = pid;
	c->uid = uid;
	c->place = place;
	c->heard_ns = clock_ns();
	*(place == CONN_ORDINARY ? &ordinary_count : &reserved_count) += 1;
}

static void leave_place(const struct conn *c)
{
	*(c->place == CONN_ORDINARY ? &ordinary_count : &reserved_count) -= 1;
}

static void release(struct conn *c)
{
	c->in.len = 0;
	buf_clear(&c->out, REPLY_ROOM);
	*c = (struct conn){ .in = c->in, .out = c->out };
}

void conn_forget(struct conn *c)
{
	if (c->state == CONN_FREE)
		return;
	if (c->state != CONN_GONE)
		leave_place(c);
	release(c);
}

void conn_hang_up(struct conn *c)
{
	kernel_close(c->fd);
	closed_count++;
	leave_place(c);
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

/* Sends what the socket takes. The bytes in front are dropped only once they are as many as the rest, so
   that a reader of small pieces does not make us move a megabyte each time. */
static void flush(struct conn *c)
{
	if (c->out.failed) { /* no memory for a long reply: half of one would mislead */
		conn_hang_up(c);
		return;
	}
	while (sendable(c) > c->sent) {
		ssize_t n = kernel_send(c->fd, c->out.data + c->sent, sendable(c) - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!c->stalled_ns)
				c->stalled_ns = clock_ns();
			break;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			conn_hang_up(c);
			return;
		}
		c->sent += (size_t)n;
		c->stalled_ns = 0;
	}
	if (!unsent(c)) {
		buf_clear(&c->out, REPLY_ROOM);
		c->sent = 0;
	} else if (c->sent >= REPLY_ROOM && c->sent >= unsent(c)) {
		buf_consume(&c->out, c->sent);
		c->reply.start -= c->sent;
		c->sent = 0;
	}
	if (c->reply.deferred && unsent(c) < PARKED_BELOW)
		c->reply.job.parked = false;
	if (!unsent(c) && c->state == CONN_CLOSING)
		conn_hang_up(c);
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
	if (c->reply.close || c->refused)
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

/* An ordinary place may have become free since it came. */
static bool may_run(struct conn *c)
{
	if (c->place == CONN_TOO_MANY && ordinary_count < CONN_ORDINARY_MAX) {
		leave_place(c);
		c->place = CONN_ORDINARY;
		ordinary_count++;
	}
	return c->place == CONN_ORDINARY || command_takes_back(c->call.method);
}

/* As the answer to this request, in its format and with its id. */
static void refuse_on_reserved(struct conn *c)
{
	c->refused = true;
	reply_fault(&c->reply, 503, "%s (only commands that take back are served now, as mt.reset)",
		    refusals[c->place]);
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
	if (!take_request(c))
		return false;
	c->heard_ns = clock_ns();
	if (!c->call.method) {
		advance(c);
		return true;
	}
	if (may_run(c))
		command_run(&c->call, &c->reply);
	else
		refuse_on_reserved(c);
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

/* What a request counts for in its turn: the clock is read after a long one, and at every sixteenth
   short one. */
static size_t work_of(const struct conn *c, size_t out_before)
{
	size_t written = c->out.len > out_before ? c->out.len - out_before : 0;

	return SERVE_STEP_BYTES + SERVE_WEIGHT * (c->taken + written);
}

unsigned conn_serve(struct conn *c, uint64_t ns)
{
	struct slice turn = slice_of(ns);
	bool more = true;
	unsigned served = 0;
	size_t before;

	while (more) {
		/* The host may have taken rights back since it let this client in; the request before may have waited. */
		if (!access_lasts(c->uid)) {
			conn_hang_up(c);
			return served;
		}
		if (!has_room(c))
			break;
		before = c->out.len;
		more = serve_one(c);
		served += more;
		if (slice_over(&turn, work_of(c, before)))
			break;
	}
	c->unfinished = more && !c->reply.deferred;
	if (c->eof && !c->unfinished && has_room(c))
		c->state = CONN_CLOSING;
	compact_input(c);
	flush(c);
	return served;
}

bool conn_is_ready(const struct conn *c)
{
	return c->unfinished && has_room(c);
}

/* How far a job is: what is done, and the part of the chunk in hand. */
static uint64_t done_bytes(const struct job *j)
{
	bool counts = j->moving.stage == TRANSIT_FILLING || j->moving.stage == TRANSIT_PURGING;

	return j->bytes + (counts ? j->moving.done : 0);
}

void conn_tell_progress(struct conn *c, uint64_t now_ns)
{
	struct reply *r = &c->reply;

	if (c->state != CONN_OPEN || !r->deferred || !r->progress_ns || r->begun)
		return;
	/* The first only after a while: short commands need none. */
	if (r->progress_ns > 1 && now_ns >= r->progress_ns && unsent(c) < REPLIES_MAX) {
		r->ops->progress(r, done_bytes(&r->job), r->job.goal);
		flush(c);
	}
	if (r->progress_ns == 1 || now_ns >= r->progress_ns)
		r->progress_ns = now_ns + PROGRESS_NS;
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
	conn_serve(c, RESUME_NS);
}

struct job *reply_defer(struct reply *r, void (*answer)(struct reply *r))
{
	r->deferred = true;
	r->answer = answer;
	r->job = (struct job){ .done = job_done, .owner = r };
	return &r->job;
}

void conn_receive(struct conn *c)
{
	size_t room = WIRE_REQUEST_MAX - c->in.len;
	ssize_t n = room ? kernel_recv(c->fd, c->in.data + c->in.len, room, MSG_DONTWAIT) : 0;

	if (n > 0)
		c->in.len += (size_t)n;
	else if (room && n == 0)
		c->eof = true;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		conn_hang_up(c);
}

short conn_events(const struct conn *c)
{
	short events = 0;

	if (sendable(c) > c->sent)
		events |= POLLOUT;
	if (c->state == CONN_OPEN && !c->eof && !c->reply.deferred && c->in.len < WIRE_REQUEST_MAX &&
	    unsent(c) < REPLIES_MAX)
		events |= POLLIN;
	return events;
}

uint64_t conn_patience_ns(const struct conn *c)
{
	return c->stalled_ns ? c->stalled_ns + STALL_NS : CLOCK_NEVER;
}
