/* SPDX-License-Identifier: BSD-2-Clause */
/* Talking over a Unix socket that never blocks; whoever waits does so in poll. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "verify.h"

#define READ_BYTES ((size_t)64 << 10)
#define DIAL_AGAIN_NS (20 * NS_PER_MS)

int link_dial(struct link *l, const char *path, const struct proc *process, struct patience patience)
{
	struct dialled d;
	int rc = process ? verify_dial(path, &d) : verify_dial_given(path, &d);

	*l = (struct link){ .fd = d.fd, .peer = d.peer, .line_max = LINK_LINE_MAX, .patience = patience };
	if (rc == 0 && process && !verify_server(&d, process)) {
		link_close(l);
		rc = -ESRCH;
	}
	return rc;
}

static uint64_t after(uint64_t ns)
{
	return ns ? clock_ns() + ns : CLOCK_NEVER;
}

void link_begin(struct link *l)
{
	l->idle_ns = after(l->patience.idle_ns);
	l->total_ns = after(l->patience.total_ns);
}

int link_open(struct link *l, const char *path, const struct proc *process, struct patience patience)
{
	const struct timespec moment = { .tv_nsec = (long)DIAL_AGAIN_NS };
	uint64_t idle = after(patience.idle_ns), total = after(patience.total_ns);
	int rc;

	/* The kernel tells nobody when a full queue has room again. */
	while ((rc = link_dial(l, path, process, patience)) == -EAGAIN) {
		if (clock_ns() >= idle || clock_ns() >= total)
			return -ETIMEDOUT;
		nanosleep(&moment, NULL);
	}
	return rc;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_free(&l->in);
	l->taken = l->scanned = 0;
}

/* Where there is but one limit, it is the one that its user knows. */
static int late(const struct link *l)
{
	return l->patience.idle_ns ? -ETIME : -ETIMEDOUT;
}

uint64_t link_until(const struct link *l)
{
	return l->idle_ns < l->total_ns ? l->idle_ns : l->total_ns;
}

int link_overdue(const struct link *l, uint64_t now)
{
	const uint64_t until = link_until(l);

	if (now < until)
		return 0;
	return until == l->total_ns ? late(l) : -ETIMEDOUT;
}

static int wait_for(struct link *l, short events)
{
	struct pollfd p = { .fd = l->fd, .events = events };
	uint64_t until = link_until(l);

	for (;;) {
		uint64_t now = clock_ns();
		struct timespec left = clock_until(until, now);
		int n = ppoll(&p, 1, until == CLOCK_NEVER ? NULL : &left, NULL);

		if (now >= until) /* a server that never pauses does not hold us either */
			return link_overdue(l, now);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int trouble_from(int error)
{
	return error == EPIPE ? -ECONNRESET : error == EINTR ? -EAGAIN : -error;
}

ssize_t link_put(struct link *l, const char *request, size_t len)
{
	ssize_t n = send(l->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? trouble_from(errno) : n;
}

int link_send(struct link *l, const char *request, size_t len)
{
	link_begin(l);
	while (len) {
		ssize_t n = link_put(l, request, len);
		int rc = n == -EAGAIN ? wait_for(l, POLLOUT) : n < 0 ? (int)n : 0;

		if (rc < 0)
			return rc;
		if (n > 0) {
			request += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int receive(struct link *l)
{
	char *room = buf_room(&l->in, READ_BYTES);
	ssize_t n;

	if (!room)
		return -ENOMEM;
	n = recv(l->fd, room, READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return trouble_from(errno);
	if (n == 0)
		return -ECONNRESET;
	l->in.len += (size_t)n;
	return 0;
}

static char *end_of_line(struct link *l)
{
	char *from = l->in.data + l->scanned;
	char *end = l->in.len > l->scanned ? memchr(from, '\n', l->in.len - l->scanned) : NULL;

	l->scanned = end ? 0 : l->in.len;
	return end;
}

/* One piece a call, so that a server that never pauses keeps nobody from looking at the clock. */
int link_take(struct link *l, const char **line, size_t *len)
{
	char *end;
	int rc;

	if (l->taken)
		buf_consume(&l->in, l->taken);
	l->taken = 0;
	end = end_of_line(l);
	if (!end) {
		rc = receive(l);
		if (rc < 0)
			return rc;
		end = end_of_line(l);
	}
	if (!end)
		return l->in.len > l->line_max ? -EMSGSIZE : -EAGAIN;
	*line = l->in.data;
	*len = (size_t)(end - l->in.data);
	l->taken = *len + 1;
	l->idle_ns = after(l->patience.idle_ns);
	return 0;
}

int link_line(struct link *l, const char **line, size_t *len)
{
	int rc;

	if (clock_ns() >= l->total_ns) /* lines may come without an end, too */
		return late(l);
	while ((rc = link_take(l, line, len)) == -EAGAIN && (rc = wait_for(l, POLLIN)) == 0)
		;
	return rc;
}
