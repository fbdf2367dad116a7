/* SPDX-License-Identifier: BSD-2-Clause */
/* Binding under a temporary name, listening, then renaming: a name that can be seen can be
   connected to, so whoever prunes names that refuse connections never hits a live one. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/rundir.h"

#define BACKLOG 64
#define TRIES 3
#define LEAVE_LOOKS 10000 /* a second or so: a machine may be that busy */
#define PID_TEXT_MAX 12 /* ".2147483647" */

enum name_state {
	NAME_NONE,
	NAME_BINDING, /* our thread is at it */
	NAME_BOUND,
	NAME_LEAVING /* the process ends: bind nothing any more */
};

static atomic_int state;
static atomic_bool at_work; /* our thread is inside socket_open */
static pid_t owner;         /* only this process removes the name */
static char path[2 * RUNDIR_PATH_MAX];
static struct rundir dir;

/* Copied at start: the host may change its environment under our feet. */
static char env_dir[RUNDIR_PATH_MAX], env_runtime[RUNDIR_PATH_MAX], env_xdg[RUNDIR_PATH_MAX];
static char env_socket[RUNDIR_PATH_MAX];
static bool is_child;

static void copy_env(const char *name, char to[RUNDIR_PATH_MAX])
{
	const char *value = getenv(name);

	/* A relative path would mean another place once the host changes its directory. */
	if (value && *value == '/' && strlen(value) < RUNDIR_PATH_MAX)
		strcpy(to, value);
}

void socket_read_environment(void)
{
	copy_env("MTPRELOAD_DIR", env_dir);
	copy_env("RUNTIME_DIRECTORY", env_runtime);
	copy_env("XDG_RUNTIME_DIR", env_xdg);
	copy_env("MTPRELOAD_SOCKET", env_socket);
}

/* Is somebody answering under this name? */
static bool is_live(int dir_fd, const char *name)
{
	struct sockaddr_un address;
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live = fd >= 0 && rundir_address(dir.path, dir_fd, name, &address) == 0 &&
		    (kernel_connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
		     errno == EAGAIN); /* with many in its queue */

	if (fd >= 0)
		kernel_close(fd);
	return live;
}

/* umask belongs to the host: the mode is set on the socket before it has a name, so that it is never too wide,
   and on the name, in case umask has taken too much of it. */
static int listen_as(int dir_fd, const char *name)
{
	struct sockaddr_un address;
	int rc = rundir_address(dir.path, dir_fd, name, &address);
	int fd;

	if (rc < 0)
		return rc;
	fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	kernel_unlinkat(dir_fd, name, 0); /* left by a process of our pid that was killed just here */
	if (kernel_fchmod(fd, 0600) == 0 &&
	    kernel_bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    kernel_fchmodat(dir_fd, name, 0600) == 0 && kernel_listen(fd, BACKLOG) == 0)
		return fd;
	rc = -errno;
	kernel_unlinkat(dir_fd, name, 0);
	kernel_close(fd);
	return rc;
}

/* Makes `path` appear with a listening socket behind it. */
static int bind_in(int dir_fd, const char *name)
{
	char temporary[RUNDIR_PATH_MAX + 1];
	int binding = NAME_BINDING, fd;

	snprintf(temporary, sizeof(temporary), ".%s", name);
	fd = listen_as(dir_fd, temporary);
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "%s/%s", dir.path, name);
	if (kernel_renameat2(dir_fd, temporary, dir_fd, name, 0) == 0) {
		if (atomic_compare_exchange_strong(&state, &binding, NAME_BOUND))
			return fd;
		kernel_unlinkat(dir_fd, name, 0); /* the process has begun to end meanwhile */
	}
	kernel_unlinkat(dir_fd, temporary, 0);
	kernel_close(fd);
	return -EIO;
}

/* A process of another pid namespace may answer under our pid's name. */
#define NAMES_MAX 1000

static void choose_name(int dir_fd, char name[RUNDIR_NAME_MAX])
{
	unsigned nth = 0;

	do
		rundir_name(kernel_pid(), ++nth, name);
	while (nth < NAMES_MAX && is_live(dir_fd, name));
}

static int open_in_rundir(void)
{
	char name[RUNDIR_NAME_MAX];
	int dir_fd = rundir_open(&dir), fd;

	if (dir_fd < 0)
		return dir_fd;
	rundir_prune(dir.path, dir_fd);
	choose_name(dir_fd, name);
	fd = bind_in(dir_fd, name);
	kernel_close(dir_fd);
	return fd;
}

/* No directory can be written: a name that no file system knows, @mtpreload.PID. Peers are checked as ever,
   and it goes when its socket does. */
static int open_abstract(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "mtpreload.%d", (int)kernel_pid());
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
	int binding = NAME_BINDING;

	if (fd < 0)
		return -errno;
	if (kernel_bind(fd, (struct sockaddr *)&address, size) == 0 && kernel_listen(fd, BACKLOG) == 0) {
		snprintf(path, sizeof(path), "@%s", address.sun_path + 1);
		if (atomic_compare_exchange_strong(&state, &binding, NAME_BOUND))
			return fd;
	}
	rc = -errno;
	kernel_close(fd);
	return rc ? rc : -EIO;
}

static int search_rundirs(void)
{
	struct rundir_env env = { env_dir, env_runtime, env_xdg };
	int fd = -ENOENT;

	for (int i = 0; rundir_candidate(&env, i, kernel_euid(), &dir); i++) {
		if (!dir.path[0])
			continue;
		fd = -ENOENT;
		/* Another process may remove an empty directory between our mkdir and bind. */
		for (int try = 0; try < TRIES && fd == -ENOENT; try++)
			fd = open_in_rundir();
		if (fd >= 0)
			return fd;
	}
	return open_abstract();
}

/* $MTPRELOAD_SOCKET with %p replaced by the pid; without %p, a child gets .PID behind it. Room is left
   for another .PID. */
static int expand_fixed(char out[RUNDIR_PATH_MAX])
{
	const char *percent = strstr(env_socket, "%p");
	size_t head = percent ? (size_t)(percent - env_socket) : strlen(env_socket);
	int n;

	if (percent)
		n = snprintf(out, RUNDIR_PATH_MAX, "%.*s%d%s", (int)head, env_socket, (int)kernel_pid(),
			     percent + 2);
	else if (is_child)
		n = snprintf(out, RUNDIR_PATH_MAX, "%s.%d", env_socket, (int)kernel_pid());
	else
		n = snprintf(out, RUNDIR_PATH_MAX, "%s", env_socket);
	return n < RUNDIR_PATH_MAX - PID_TEXT_MAX ? 0 : -ENAMETOOLONG;
}

static int open_fixed(void)
{
	char fixed[RUNDIR_PATH_MAX], *name;
	int rc = expand_fixed(fixed), dir_fd, fd;

	if (rc < 0)
		return rc;
	name = strrchr(fixed, '/');
	*name++ = '\0';
	dir = (struct rundir){ 0 };
	strcpy(dir.path, *fixed ? fixed : "/");
	dir_fd = kernel_open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir_fd < 0)
		return -errno;
	/* Somebody else's, who was started with the same environment. */
	if (is_live(dir_fd, name))
		sprintf(name + strlen(name), ".%d", (int)kernel_pid());
	fd = bind_in(dir_fd, name);
	kernel_close(dir_fd);
	return fd;
}

int socket_open(void)
{
	int none = NAME_NONE, binding = NAME_BINDING, fd;

	atomic_store(&at_work, true);
	if (!atomic_compare_exchange_strong(&state, &none, NAME_BINDING))
		fd = -ECANCELED;
	else
		fd = env_socket[0] ? open_fixed() : search_rundirs();
	if (fd < 0)
		atomic_compare_exchange_strong(&state, &binding, NAME_NONE);
	atomic_store(&at_work, false);
	return fd;
}

static void prune_siblings(void)
{
	int dir_fd = kernel_open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (dir_fd < 0)
		return;
	rundir_prune(dir.path, dir_fd);
	kernel_close(dir_fd);
}

static void remove_name(bool prune)
{
	if (*path != '/')
		return;
	kernel_unlink(path);
	if (prune && !env_socket[0])
		prune_siblings();
	if (dir.strict)
		kernel_rmdir(dir.path); /* fails, as it should, while others have names there */
}

void socket_remove(bool prune)
{
	const struct timespec moment = { .tv_nsec = 100000 };
	int saved = errno, was;

	/* A vfork child shares our memory, and its end is not the parent's. */
	if (owner != kernel_pid())
		return;
	was = atomic_exchange(&state, NAME_LEAVING);
	if (was == NAME_BOUND)
		remove_name(prune);
	/* Our thread sees it right after its rename, and undoes that: as soon as it has a processor. */
	for (int i = 0; was == NAME_BINDING && i < LEAVE_LOOKS && atomic_load(&at_work); i++)
		kernel_nanosleep(&moment, NULL);
	errno = saved;
}

void socket_withdraw(void)
{
	int bound = NAME_BOUND;

	if (owner == kernel_pid() && atomic_compare_exchange_strong(&state, &bound, NAME_NONE) && *path == '/')
		kernel_unlink(path);
}

void socket_begin(bool forked)
{
	atomic_store(&state, NAME_NONE);
	atomic_store(&at_work, false);
	owner = kernel_pid();
	path[0] = '\0';
	is_child = forked;
}

const char *socket_path(void)
{
	return atomic_load(&state) == NAME_BOUND ? path : "";
}
