/* SPDX-License-Identifier: BSD-2-Clause */
/* Talking over a Unix socket. The server may be stopped or gone at any moment, so every wait has an
   end. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_BYTES ((size_t)64 << 10)

static int connect_to(int fd, const struct sockaddr_un *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

/* A path that is longer than an address holds goes through a descriptor of the socket's name. */
static int connect_long(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int at = open(path, O_PATH | O_CLOEXEC), rc;

	if (at < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", at);
	rc = connect_to(fd, &address);
	close(at);
	return rc;
}

/* A name without a file: a NUL stands for the '@', and the length ends it. */
static int connect_abstract(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length > sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path + 1, path + 1, length - 1);
	length += offsetof(struct sockaddr_un, sun_path);
	return connect(fd, (const struct sockaddr *)&address, (socklen_t)length) < 0 ? -errno : 0;
}

static int connect_path(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (*path == '@')
		return connect_abstract(fd, path);
	if (strlen(path) >= sizeof(address.sun_path))
		return connect_long(fd, path);
	strcpy(address.sun_path, path);
	return connect_to(fd, &address);
}

static pid_t peer_of(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

int link_probe(const char *path, pid_t *peer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = connect_path(fd, path);
	*peer = rc == 0 ? peer_of(fd) : 0;
	close(fd);
	return rc;
}

/* connect waits where the server's queue is full, for as long as this option says. */
static void limit_connect(int fd, uint64_t ns)
{
	struct timeval limit = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) };

	if (ns && ns < 1000)
		limit.tv_usec = 1; /* zero would be for ever */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int link_open(struct link *l, const char *path, pid_t pid, struct patience patience)
{
	int rc;

	*l = (struct link){ .patience = patience };
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	limit_connect(l->fd, patience.ns);
	rc = connect_path(l->fd, path);
	if (rc == 0) {
		l->peer = peer_of(l->fd);
		if (pid && l->peer != pid)
			rc = -ESRCH;
	}
	if (rc < 0)
		link_close(l);
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_free(&l->in);
	l->taken = 0;
}

static void start_clock(struct link *l)
{
	l->deadline_ns = l->patience.ns ? clock_ns() + l->patience.ns : CLOCK_NEVER;
}

static int wait_for(struct link *l, short events)
{
	struct pollfd p = { .fd = l->fd, .events = events };

	for (;;) {
		uint64_t now = clock_ns();
		struct timespec left = clock_until(l->deadline_ns, now);
		int n = ppoll(&p, 1, l->deadline_ns == CLOCK_NEVER ? NULL : &left, NULL);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && now >= l->deadline_ns)
			return -ETIMEDOUT;
	}
}

static int trouble_from(int error)
{
	return error == EPIPE ? -ECONNRESET : -error;
}

int link_send(struct link *l, const char *request, size_t len)
{
	start_clock(l);
	while (len) {
		ssize_t n = send(l->fd, request, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc = 0;

		if (n >= 0) {
			request += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			rc = wait_for(l, POLLOUT);
		} else if (errno != EINTR) {
			rc = trouble_from(errno);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int receive(struct link *l)
{
	char *room = buf_room(&l->in, READ_BYTES);
	ssize_t n;
	int rc;

	if (!room)
		return -ENOMEM;
	n = recv(l->fd, room, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) {
		rc = wait_for(l, POLLIN);
		if (rc < 0)
			return rc;
		n = recv(l->fd, room, READ_BYTES, MSG_DONTWAIT);
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : trouble_from(errno);
	if (n == 0)
		return -ECONNRESET;
	l->in.len += (size_t)n;
	if (l->patience.renews)
		start_clock(l);
	else if (clock_ns() >= l->deadline_ns && !memchr(room, '\n', (size_t)n))
		return -ETIMEDOUT; /* a server that never pauses does not hold us either */
	return 0;
}

int link_line(struct link *l, const char **line, size_t *len)
{
	size_t seen = 0;
	char *end;
	int rc;

	if (l->taken)
		buf_consume(&l->in, l->taken);
	l->taken = 0;
	for (;;) {
		end = l->in.len > seen ? memchr(l->in.data + seen, '\n', l->in.len - seen) : NULL;
		if (end)
			break;
		seen = l->in.len;
		rc = receive(l);
		if (rc < 0)
			return rc;
	}
	*line = l->in.data;
	*len = (size_t)(end - l->in.data);
	l->taken = *len + 1;
	return 0;
}
