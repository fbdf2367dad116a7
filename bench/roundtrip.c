/* SPDX-License-Identifier: BSD-2-Clause */
/* roundtrip SOCKET text|json|binrpc METHOD latency|pipelined|connect|flood COUNT: how long one request takes.
   Prints microseconds: p50, p99 and the most of COUNT round trips one after the other; the mean of COUNT requests
   sent without waiting; p50 and p99 of connect, request, reply, close. A flood is COUNT connections that send as
   much as they can and read it, until killed. Works against Kamailio's ctl too. */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define PIPELINE_BYTES ((size_t)16 << 10)

static char request[256];
static size_t request_length;
static size_t reply_length; /* learnt from the first one */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void make_request(const char *format, const char *method)
{
	size_t name = strlen(method) + 1;

	if (strcmp(format, "text") == 0) {
		request_length = (size_t)snprintf(request, sizeof(request), "%s\n", method);
	} else if (strcmp(format, "json") == 0) {
		request_length = (size_t)snprintf(
			request, sizeof(request),
			"{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"id\":1}\n", method);
	} else {
		const char header[] = { (char)0xA1, 3, (char)(name + 2), 1, 2, 3, 4, (char)0x91,
					(char)name };

		memcpy(request, header, sizeof(header));
		memcpy(request + sizeof(header), method, name);
		request_length = sizeof(header) + name;
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

static void send_all(int fd, const char *data, size_t length)
{
	if (send(fd, data, length, MSG_NOSIGNAL) != (ssize_t)length)
		die("send");
}

static void receive(int fd, size_t wanted)
{
	char reply[65536];

	while (wanted) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);

		if (n <= 0)
			die("recv");
		wanted -= (size_t)n < wanted ? (size_t)n : wanted;
	}
}

/* All replies to the same request are equally long; the first one comes whole after a moment. */
static void learn_reply(int fd)
{
	char reply[65536];
	ssize_t n;

	send_all(fd, request, request_length);
	usleep(100000);
	n = recv(fd, reply, sizeof(reply), 0);
	if (n <= 0)
		die("no reply");
	reply_length = (size_t)n;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print_percentiles(uint64_t *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), by_size);
	printf("{\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f}\n", (double)ns[count / 2] / 1e3,
	       (double)ns[count * 99 / 100] / 1e3, (double)ns[count - 1] / 1e3);
}

static void latency(const char *path, size_t count, bool reconnect)
{
	uint64_t *ns = calloc(count, sizeof(*ns));
	int fd = connect_to(path);

	learn_reply(fd);
	if (reconnect)
		close(fd);
	for (size_t i = 0; ns && i < count; i++) {
		uint64_t start = clock_ns();

		if (reconnect)
			fd = connect_to(path);
		send_all(fd, request, request_length);
		receive(fd, reply_length);
		if (reconnect)
			close(fd);
		ns[i] = clock_ns() - start;
	}
	print_percentiles(ns, count);
	free(ns);
}

/* Keeps the server's input full, and reads as replies come. */
static void pipelined(const char *path, size_t count)
{
	size_t per_burst = PIPELINE_BYTES / request_length;
	char *burst = malloc(per_burst * request_length);
	int fd = connect_to(path);
	uint64_t start;

	learn_reply(fd);
	for (size_t i = 0; burst && i < per_burst; i++)
		memcpy(burst + i * request_length, request, request_length);
	count -= count % per_burst;
	start = clock_ns();
	for (size_t sent = 0; sent < count; sent += per_burst) {
		send_all(fd, burst, per_burst * request_length);
		receive(fd, per_burst * reply_length);
	}
	printf("{\"mean_us\":%.3f}\n", (double)(clock_ns() - start) / 1e3 / (double)count);
	free(burst);
}

#define FLOODERS_MAX 64

static void flood(const char *path, size_t count)
{
	static char burst[PIPELINE_BYTES], reply[65536];
	struct pollfd fds[FLOODERS_MAX];
	size_t length = 0;

	if (count > FLOODERS_MAX)
		count = FLOODERS_MAX;
	for (; length + request_length <= sizeof(burst); length += request_length)
		memcpy(burst + length, request, request_length);
	for (size_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = connect_to(path), .events = POLLIN | POLLOUT };
	while (poll(fds, (nfds_t)count, -1) > 0)
		for (size_t i = 0; i < count; i++) {
			if (fds[i].revents & POLLIN && recv(fds[i].fd, reply, sizeof(reply), MSG_DONTWAIT) == 0)
				return;
			if (fds[i].revents & POLLOUT)
				send(fds[i].fd, burst, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		}
}

int main(int argc, char **argv)
{
	size_t count;

	if (argc != 6) {
		fprintf(stderr, "usage: roundtrip SOCKET FORMAT METHOD KIND COUNT\n");
		return 2;
	}
	make_request(argv[2], argv[3]);
	count = strtoul(argv[5], NULL, 10);
	if (strcmp(argv[4], "flood") == 0)
		flood(argv[1], count);
	else if (strcmp(argv[4], "pipelined") == 0)
		pipelined(argv[1], count);
	else
		latency(argv[1], count, strcmp(argv[4], "connect") == 0);
	return 0;
}
