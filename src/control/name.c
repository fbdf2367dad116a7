/* SPDX-License-Identifier: BSD-2-Clause */
/* Binding under a temporary name, listening, then renaming: a name that can be seen can be connected to, so whoever
   prunes names that refuse connections never hits a live one. Processes of several pid namespaces may have one pid and
   one directory, so no step takes a name that is there. */
#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/kernel.h"
#include "base/uid.h"
#include "control/trial.h"

#define BACKLOG 64
#define TEMPORARY_MAX 100

static bool is_closed(const struct stat *st)
{
	return (st->st_mode & 07777) == 0600;
}

static bool is_our_socket(int fd)
{
	struct stat st;

	return kernel_fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_nlink == 1 && uid_is_ours(st.st_uid);
}

/* umask has taken too much. The name may be another's file by now, a link even, so the mode is set on what was
   looked at. */
static int set_mode(int dir_fd, const char *name)
{
	char path[48];
	int rc = -EPERM, fd = kernel_openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	if (is_our_socket(fd))
		rc = kernel_fchmodat(AT_FDCWD, path, 0600) < 0 ? -errno : 0;
	kernel_close(fd);
	return rc;
}

static int check_mode(int dir_fd, const char *name)
{
	struct stat st;

	if (kernel_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISSOCK(st.st_mode) && is_closed(&st) ? 0 : set_mode(dir_fd, name);
}

static bool is_from_us(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == kernel_pid();
}

/* Our own call among those that have come: others may have looked whether the name is dead. */
static bool hears_us(int listener)
{
	bool heard = false;
	int fd;

	while (!heard && (fd = kernel_accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		heard = is_from_us(fd);
		kernel_close(fd);
	}
	return heard || errno != EAGAIN;
}

/* A process that is stopped before it listens, for longer than others wait, may find its name removed, and another's
   socket in its place. Where it may not call itself, or might be killed for it, that cannot be told. */
static bool leads_to(int listener, const struct sockaddr_un *address)
{
	bool ours;
	int fd;

	if (!trial_covers_us())
		return true;
	fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	if (kernel_connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		ours = hears_us(listener);
	else
		ours = errno != ENOENT && errno != ECONNREFUSED;
	kernel_close(fd);
	return ours;
}

/* umask belongs to the host: the mode is set on the socket before it has a name, so that it is never too wide. */
static int listen_as(const char *dir, int dir_fd, const char *name)
{
	struct sockaddr_un address;
	int rc = rundir_address(dir, dir_fd, name, &address);
	int fd;

	if (rc < 0)
		return rc;
	fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = kernel_fchmod(fd, 0600);
	if (rc == 0)
		rc = kernel_bind(fd, &address, sizeof(address));
	if (rc == 0) {
		rc = check_mode(dir_fd, name);
		if (rc == 0 && kernel_listen(fd, BACKLOG) < 0)
			rc = -errno;
		if (rc == 0 && !leads_to(fd, &address))
			rc = -ENOENT;
		if (rc == 0)
			return fd;
		if (rc != -ENOENT) /* else it is nobody's, or another's */
			kernel_unlinkat(dir_fd, name, 0);
	} else {
		rc = -errno;
	}
	kernel_close(fd);
	return rc;
}

/* One that is taken may be a process's that is at it just now, or was killed there, which only time tells. */
static int listen_hidden(const char *dir, int dir_fd, name_nth *nth, char hidden[RUNDIR_PATH_MAX + 1])
{
	int fd = -EADDRINUSE;

	hidden[0] = '.';
	for (unsigned n = 1; n <= TEMPORARY_MAX && fd == -EADDRINUSE; n++) {
		nth(n, hidden + 1);
		fd = listen_as(dir, dir_fd, hidden);
		if (fd == -EADDRINUSE && rundir_remove_stale(dir, dir_fd, hidden, 0))
			fd = listen_as(dir, dir_fd, hidden);
	}
	return fd;
}

/* What a killed process of our pid has left is in nobody's way. */
static int take_name(const char *dir, int dir_fd, const char *hidden, name_nth *nth, char name[RUNDIR_PATH_MAX])
{
	int rc = -EEXIST;

	for (unsigned n = 1; n <= RUNDIR_NAMES_MAX && rc == -EEXIST; n++) {
		nth(n, name);
		rc = rundir_move(dir_fd, hidden, name);
		if (rc == -EEXIST && rundir_remove_dead(dir, dir_fd, name))
			rc = rundir_move(dir_fd, hidden, name);
	}
	return rc;
}

int name_publish(struct name *n, const char *dir, int dir_fd, name_nth *nth)
{
	char hidden[RUNDIR_PATH_MAX + 1], name[RUNDIR_PATH_MAX];
	struct stat st;
	int fd = listen_hidden(dir, dir_fd, nth, hidden), rc;

	if (fd < 0)
		return fd;
	rc = kernel_fstatat(dir_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	if (rc == 0)
		rc = take_name(dir, dir_fd, hidden, nth, name);
	if (rc < 0) {
		kernel_unlinkat(dir_fd, hidden, 0);
		kernel_close(fd);
		return rc;
	}
	snprintf(n->path, sizeof(n->path), "%s/%s", dir, name);
	n->last = strrchr(n->path, '/') + 1;
	n->dev = st.st_dev;
	n->ino = st.st_ino;
	n->owner = st.st_uid;
	return fd;
}

static bool is_its_file(const struct name *n, int dir_fd, const char *at)
{
	struct stat st;

	return kernel_fstatat(dir_fd, at, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == n->dev && st.st_ino == n->ino;
}

bool name_is_in_place(const struct name *n, int dir_fd)
{
	return is_its_file(n, dir_fd, n->last);
}

void name_remove(const struct name *n)
{
	if (is_its_file(n, AT_FDCWD, n->path))
		kernel_unlink(n->path);
}
