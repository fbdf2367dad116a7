/* SPDX-License-Identifier: BSD-2-Clause */
/* Which names count. This process is the server of its sockets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mtctl/verify.h"
#include "tests/unit.h"

#define PATH_MAX_HERE (UNIT_PATH_MAX + 16)

static int listen_at(const char *path, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static int dial(const char *path, struct dialled *d)
{
	int rc = verify_dial(path, d);

	ck_assert_int_eq(rc == 0, d->fd >= 0);
	if (d->fd >= 0)
		close(d->fd);
	return rc;
}

START_TEST(own_socket_is_verified_and_nobody_else_s)
{
	char directory[UNIT_PATH_MAX], path[PATH_MAX_HERE];
	struct proc self, other;
	struct dialled d;
	int fd;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/socket", directory);
	fd = listen_at(path, 8);
	ck_assert(proc_read(getpid(), &self));
	ck_assert_int_eq(dial(path, &d), 0);
	ck_assert_int_eq(d.peer, getpid());
	ck_assert(d.has_file && verify_owner(&d, &self) && verify_server(&d, &self));
	other = self;
	other.pid++;
	ck_assert(!verify_server(&d, &other));
	d.owner = self.uids[0] + 1; /* somebody else's file, whoever serves it */
	ck_assert(!verify_owner(&d, &self) && !verify_server(&d, &self));
	d.owner = self.uids[0];
	d.peer_uid = self.uids[0] + 1; /* a server that once had this pid */
	ck_assert(verify_owner(&d, &self) && !verify_server(&d, &self));
	close(fd);
	ck_assert_int_eq(dial(path, &d), -ECONNREFUSED);
	unit_remove(directory);
}
END_TEST

START_TEST(what_is_no_socket_is_not_dialled)
{
	char directory[UNIT_PATH_MAX], path[PATH_MAX_HERE], link[PATH_MAX_HERE];
	struct dialled d;
	int fd;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(link, sizeof(link), "%s/link", directory);
	fd = listen_at(path, 8);
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(dial(link, &d), -ENOTSOCK);
	ck_assert_int_eq(verify_dial_given(link, &d), 0);
	close(d.fd);
	unlink(link);
	ck_assert_int_eq(mkfifo(link, 0600), 0);
	ck_assert_int_eq(dial(link, &d), -ENOTSOCK);
	ck_assert_int_eq(dial(directory, &d), -ENOTSOCK);
	ck_assert_int_eq(dial("/dev/null", &d), -ENOTSOCK);
	ck_assert_int_eq(dial("/nowhere/at/all", &d), -ENOENT);
	close(fd);
	unit_remove(directory);
}
END_TEST

START_TEST(full_queue_is_not_waited_for)
{
	char directory[UNIT_PATH_MAX], path[PATH_MAX_HERE];
	struct dialled first, d;
	int fd;

	unit_directory(directory);
	snprintf(path, sizeof(path), "%s/socket", directory);
	fd = listen_at(path, 0);
	ck_assert_int_eq(verify_dial(path, &first), 0);
	ck_assert_int_eq(dial(path, &d), -EAGAIN);
	ck_assert(d.has_file);
	close(first.fd);
	close(fd);
	unit_remove(directory);
}
END_TEST

START_TEST(abstract_name_has_no_owner)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	struct dialled d;
	struct proc self;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name, sizeof(name), "@mtpreload.test.%d", (int)getpid());
	strcpy(address.sun_path + 1, name + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert(proc_read(getpid(), &self));
	ck_assert_int_eq(dial(name, &d), 0);
	ck_assert(!d.has_file && verify_server(&d, &self));
	close(fd);
	ck_assert_int_eq(dial(name, &d), -ECONNREFUSED);
}
END_TEST

UNIT_SUITE(verify, own_socket_is_verified_and_nobody_else_s, what_is_no_socket_is_not_dialled,
	   full_queue_is_not_waited_for, abstract_name_has_no_owner)
