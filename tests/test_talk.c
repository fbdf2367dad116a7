/* SPDX-License-Identifier: BSD-2-Clause */
/* The server, its clients and what is said, for the tests of the server. */
#include "tests/talk.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/server.h"
#include "inject/job.h"
#include "inject/sched.h"
#include "tests/unit.h"

static struct sleeper sleeper;
static int listener;
static struct sockaddr_un address;
static socklen_t address_length;

void talk_serve(void)
{
	server_wait(&sleeper, 0, -1);
	server_handle();
}

void talk_turn(void)
{
	struct slice slice = slice_of(NS_PER_S);

	talk_serve();
	sched_run(NS_PER_S);
	job_run(&slice);
}

void talk_begin(void)
{
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_length = sizeof(address);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_length), 0);
	ck_assert_int_eq(listen(listener, 200), 0);
	ck_assert_int_eq(server_reserve(), 0);
	server_start(listener);
}

void talk_end(void)
{
	for (int i = 0; server_clients(); i++) {
		ck_assert_int_lt(i, 1000);
		talk_turn();
	}
	server_forget();
	close(listener);
}

int talk_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_length), 0);
	return fd;
}

void talk_say(int fd, const char *bytes, size_t len)
{
	ck_assert_int_eq(send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)len);
}

void talk_expect(int fd, const char *bytes)
{
	static char got[1 << 16];
	size_t want = strlen(bytes), len = 0;

	for (int i = 0; len < want; i++, talk_turn()) {
		ssize_t n = recv(fd, got + len, want - len, MSG_DONTWAIT);

		ck_assert_msg(n != 0 && i < 10000, "the server has hung up, or is silent");
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_mem_eq(got, bytes, want);
	ck_assert_int_le(recv(fd, got, 1, MSG_DONTWAIT), 0); /* and no more */
}

void talk_expect_done(int fd)
{
	char got[64] = "";
	size_t len = 0;

	for (int i = 0; !strstr(got, "\n\n"); i++, talk_turn()) {
		ssize_t n = recv(fd, got + len, sizeof(got) - 1 - len, MSG_DONTWAIT);

		ck_assert_msg(n != 0 && i < 10000, "the server has hung up, or is silent");
		len += n > 0 ? (size_t)n : 0;
	}
	ck_assert_int_eq(strncmp(got, "200 OK\n", 7), 0);
}

void talk_expect_end(int fd)
{
	for (int i = 0; recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT) != 0; i++, talk_turn())
		ck_assert_int_lt(i, 1000);
}
