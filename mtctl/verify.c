/* SPDX-License-Identifier: BSD-2-Clause */
/* Dials sockets and judges who answers. A path is found with O_PATH first and then dialled through that descriptor, so
   that what was looked at is what is connected to; that holds for paths that are longer than an address, too. */
#include "verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/kernel.h"

static int dial(struct dialled *d, const struct sockaddr_un *address, size_t size)
{
	struct ucred peer = { 0 };
	socklen_t room = sizeof(peer);
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	if (kernel_connect(fd, address, (socklen_t)size) < 0 ||
	    kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &room) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	d->fd = fd;
	d->peer = peer.pid;
	d->peer_uid = peer.uid;
	return 0;
}

/* A NUL stands for the '@', and the length ends the name. */
static int dial_abstract(const char *name, struct dialled *d)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(name);

	if (length > sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path + 1, name + 1, length - 1);
	return dial(d, &address, offsetof(struct sockaddr_un, sun_path) + length);
}

int verify_dial_seen(int seen, struct dialled *d)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st = { 0 };
	int rc;

	*d = (struct dialled)DIALLED_NONE;
	if (kernel_fstat(seen, &st) < 0) {
		rc = -errno;
	} else if (!S_ISSOCK(st.st_mode)) {
		rc = -ENOTSOCK;
	} else {
		d->has_file = true;
		d->owner = st.st_uid;
		snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", seen);
		rc = dial(d, &address, sizeof(address));
	}
	close(seen);
	return rc;
}

static int dial_path(const char *path, int flags, struct dialled *d)
{
	int seen;

	*d = (struct dialled)DIALLED_NONE;
	if (*path == '@')
		return dial_abstract(path, d);
	seen = open(path, O_PATH | O_CLOEXEC | flags);
	return seen < 0 ? -errno : verify_dial_seen(seen, d);
}

int verify_dial(const char *path, struct dialled *d)
{
	return dial_path(path, O_NOFOLLOW, d);
}

int verify_dial_given(const char *path, struct dialled *d)
{
	return dial_path(path, 0, d);
}

bool verify_is_user(uid_t uid, const struct proc *p)
{
	for (size_t i = 0; i < sizeof(p->uids) / sizeof(p->uids[0]); i++)
		if (uid == p->uids[i])
			return true;
	return false;
}

/* Root needs no name to do what it wants, and a program that was root may have listened then. */
static bool is_user_of(uid_t uid, const struct proc *p)
{
	return uid == 0 || verify_is_user(uid, p);
}

bool verify_owner(const struct dialled *d, const struct proc *p)
{
	return !d->has_file || is_user_of(d->owner, p);
}

/* The uid tells a server whose pid another process has by now from that process. */
bool verify_server(const struct dialled *d, const struct proc *p)
{
	return d->peer && d->peer == p->pid && verify_owner(d, p) && is_user_of(d->peer_uid, p);
}
