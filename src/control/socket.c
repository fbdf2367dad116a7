/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the name lies, and as long as the process lives: bound, looked after, removed. The directory is watched by
   dnotify, which takes nothing that the host or its user has few of, as inotify's instances are. */
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
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/rundir.h"
#include "control/access.h"
#include "control/name.h"
#include "control/sleep.h"
#include "inject/gate.h"

#define BACKLOG 64 /* of an abstract name */
#define TRIES 3
#define PID_TEXT_MAX 24 /* ".2147483647.1000" */

/* So long the directory is not watched after a change in it, since others' names come and go there; and when our thread
   runs anyway, the name is looked at so often. */
#define REST_NS (2 * NS_PER_S)
#define LOOK_NS NS_PER_S

/* Where no change is told the name is looked at so often. */
#define UNTOLD_NS (5 * NS_PER_S)

enum name_state {
	NAME_NONE,
	NAME_BINDING, /* our thread is at it */
	NAME_BOUND,
	NAME_LEAVING, /* the process ends: our thread is to remove it */
	NAME_LEFT /* the process ends, and there is none; nothing is bound any more */
};

static struct {
	atomic_int state; /* enum name_state */
	atomic_bool prunes; /* written before it is leaving */
	bool is_child;
	struct name name; /* our thread's while it is binding; afterwards nobody writes it */
	struct rundir dir;

	/* Our thread's. */
	uid_t listener; /* as the kernel tells clients: the effective one when it began to listen */
	int dir_fd; /* the directory, wherever the host's root is by now; -1: the name is no file */
	bool told;
	uint64_t watch_ns; /* when to begin watching again; CLOCK_NEVER while it is watched */
	uint64_t look_ns;
} us = { .dir_fd = -1, .watch_ns = CLOCK_NEVER };

/* Copied at start: the host may change its environment under our feet. */
static struct {
	char dir[RUNDIR_PATH_MAX], runtime[RUNDIR_PATH_MAX], xdg[RUNDIR_PATH_MAX], socket[RUNDIR_PATH_MAX];
} env;

static void copy_env(const char *name, char to[RUNDIR_PATH_MAX])
{
	const char *value = getenv(name);

	/* A relative path would mean another place once the host changes its directory. */
	if (value && *value == '/' && strlen(value) < RUNDIR_PATH_MAX)
		strcpy(to, value);
}

void socket_read_environment(void)
{
	copy_env("MTPRELOAD_DIR", env.dir);
	copy_env("RUNTIME_DIRECTORY", env.runtime);
	copy_env("XDG_RUNTIME_DIR", env.xdg);
	copy_env("MTPRELOAD_SOCKET", env.socket);
}

/* The process may have begun to end meanwhile: false. */
static bool is_bound_now(void)
{
	int binding = NAME_BINDING;

	return atomic_compare_exchange_strong(&us.state, &binding, NAME_BOUND);
}

/* Told is a name that goes, from this directory or to another name in it; once. */
/* The kernel may be built or set (fs.dir-notify-enable) to tell nobody. */
static void watch(void)
{
	bool told = sleep_told_by(us.dir_fd) == 0 && kernel_fcntl(us.dir_fd, F_NOTIFY, DN_DELETE) == 0;

	us.watch_ns = told ? CLOCK_NEVER : clock_ns() + UNTOLD_NS;
}

/* The directory stays open as long as the name is bound. */
static int bind_in(int dir_fd, name_nth *nth)
{
	int fd = name_publish(&us.name, us.dir.path, dir_fd, nth);

	if (fd >= 0 && is_bound_now()) {
		us.dir_fd = dir_fd;
		us.look_ns = 0;
		watch();
		return fd;
	}
	if (fd >= 0) {
		name_remove(&us.name);
		kernel_close(fd);
		fd = -EIO;
	}
	kernel_close(dir_fd);
	return fd;
}

static void nth_of_pid(unsigned nth, char name[RUNDIR_PATH_MAX])
{
	rundir_name(kernel_pid(), nth, name);
}

static int open_in_rundir(void)
{
	int dir_fd = rundir_open(&us.dir);

	if (dir_fd < 0)
		return dir_fd;
	rundir_prune(us.dir.path, dir_fd);
	return bind_in(dir_fd, nth_of_pid);
}

static int bind_abstract(int fd, char name[RUNDIR_NAME_MAX])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc = -EADDRINUSE;
	size_t size;

	for (unsigned n = 1; n <= RUNDIR_NAMES_MAX && rc == -EADDRINUSE; n++) {
		rundir_abstract(kernel_pid(), n, name);
		memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
		size = offsetof(struct sockaddr_un, sun_path) + strlen(name);
		rc = kernel_bind(fd, &address, (socklen_t)size) < 0 ? -errno : 0;
	}
	return rc;
}

/* No directory can be written: a name that no file system knows, @mtpreload.PID. Peers are checked as ever,
   and it goes when its socket does. */
static int open_abstract(void)
{
	char name[RUNDIR_NAME_MAX];
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

	if (fd < 0)
		return -errno;
	rc = bind_abstract(fd, name);
	if (rc == 0 && kernel_listen(fd, BACKLOG) < 0)
		rc = -errno;
	if (rc == 0) {
		strcpy(us.name.path, name);
		if (is_bound_now())
			return fd;
		rc = -EIO;
	}
	kernel_close(fd);
	return rc;
}

/* Else the process has begun to end. */
static bool is_binding(void)
{
	return atomic_load(&us.state) == NAME_BINDING;
}

static int search_rundirs(void)
{
	struct rundir_env places = { env.dir, env.runtime, env.xdg };
	int fd = -ENOENT;

	for (int i = 0; is_binding() && rundir_candidate(&places, i, kernel_euid(), &us.dir); i++) {
		if (!us.dir.path[0])
			continue;
		/* A user whose id is only one of ours would have a hand in it. */
		us.dir.of_root = access_ids_differ();
		fd = -ENOENT;
		/* Another process may remove an empty directory between our mkdir and bind. */
		for (int try = 0; try < TRIES && fd == -ENOENT; try++)
			fd = open_in_rundir();
		if (fd >= 0)
			return fd;
	}
	return is_binding() ? open_abstract() : fd;
}

/* $MTPRELOAD_SOCKET with %p replaced by the pid; without %p, a child gets .PID behind it. Room is left
   for what nth_of_fixed puts behind. */
static int expand_fixed(char out[RUNDIR_PATH_MAX])
{
	const char *percent = strstr(env.socket, "%p");
	size_t head = percent ? (size_t)(percent - env.socket) : strlen(env.socket);
	int n;

	if (percent)
		n = snprintf(out, RUNDIR_PATH_MAX, "%.*s%d%s", (int)head, env.socket, (int)kernel_pid(),
			     percent + 2);
	else if (us.is_child)
		n = snprintf(out, RUNDIR_PATH_MAX, "%s.%d", env.socket, (int)kernel_pid());
	else
		n = snprintf(out, RUNDIR_PATH_MAX, "%s", env.socket);
	return n < RUNDIR_PATH_MAX - PID_TEXT_MAX ? 0 : -ENAMETOOLONG;
}

/* The first is somebody else's where he was started with the same environment. */
static void nth_of_fixed(unsigned nth, char name[RUNDIR_PATH_MAX])
{
	char fixed[RUNDIR_PATH_MAX];
	const char *last;

	expand_fixed(fixed);
	last = strrchr(fixed, '/') + 1;
	if (nth == 1)
		strcpy(name, last);
	else if (nth == 2)
		snprintf(name, RUNDIR_PATH_MAX, "%s.%d", last, (int)kernel_pid());
	else
		snprintf(name, RUNDIR_PATH_MAX, "%s.%d.%u", last, (int)kernel_pid(), nth - 1);
}

/* Whose directory it is may put another name in the place of ours, and so lead root's tools astray. */
static bool is_fit_for_root(int dir_fd)
{
	struct stat st;

	return kernel_fstat(dir_fd, &st) == 0 && (st.st_uid == 0 || (st.st_mode & S_ISVTX));
}

static int open_fixed(void)
{
	char fixed[RUNDIR_PATH_MAX];
	int rc = expand_fixed(fixed), dir_fd;

	if (rc < 0)
		return rc;
	*strrchr(fixed, '/') = '\0';
	us.dir = (struct rundir){ .of_root = access_ids_differ() };
	strcpy(us.dir.path, *fixed ? fixed : "/");
	if (us.dir.of_root)
		dir_fd = rundir_open(&us.dir);
	else
		dir_fd = kernel_open(us.dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir_fd < 0)
		return us.dir.of_root ? dir_fd : -errno;
	if (kernel_euid() == 0 && !is_fit_for_root(dir_fd)) {
		kernel_close(dir_fd);
		return -EPERM;
	}
	return bind_in(dir_fd, nth_of_fixed);
}

static void note_listener(int fd)
{
	struct ucred us_then = { 0 };
	socklen_t size = sizeof(us_then);

	(void)kernel_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &us_then, &size);
	us.listener = us_then.uid;
}

/* Outside the gate, as all that our thread does with the directory: its file system may hang. */
int socket_open(void)
{
	int none = NAME_NONE, binding = NAME_BINDING, fd;
	bool was_inside;

	if (!atomic_compare_exchange_strong(&us.state, &none, NAME_BINDING))
		return -ECANCELED;
	was_inside = gate_step_out();
	fd = env.socket[0] ? open_fixed() : search_rundirs();
	if (fd >= 0)
		note_listener(fd);
	if (fd < 0 && !atomic_compare_exchange_strong(&us.state, &binding, NAME_NONE))
		atomic_store(&us.state, NAME_LEFT); /* it was to leave meanwhile, and what was bound is undone */
	gate_step_in(was_inside);
	return fd;
}

static void close_directory(void)
{
	if (us.dir_fd >= 0)
		kernel_close(us.dir_fd);
	us.dir_fd = -1;
	us.watch_ns = CLOCK_NEVER;
}

void socket_told(void)
{
	us.told = true;
}

uint64_t socket_next_ns(void)
{
	return us.watch_ns;
}

/* Watched before a look: what happens after that is told. */
static void watch_again(uint64_t now)
{
	if (now >= us.watch_ns)
		watch();
	else if (us.told && us.watch_ns == CLOCK_NEVER)
		us.watch_ns = now + REST_NS;
}

static bool is_nobody_s(uid_t uid)
{
	return uid != 0 && !access_is_user(uid);
}

/* One whose the process was only while it was bound: mtctl takes such a name for a stranger's. */
static bool is_of_who_we_were(void)
{
	return is_nobody_s(us.listener) || (us.dir_fd >= 0 && is_nobody_s(us.name.owner));
}

/* Is the name there, and ours? */
static bool look(uint64_t now)
{
	bool was_inside = gate_step_out(), fit = true;

	if (us.dir_fd >= 0) {
		watch_again(now);
		fit = name_is_in_place(&us.name, us.dir_fd);
	}
	us.told = false;
	us.look_ns = now + LOOK_NS;
	if (fit && is_of_who_we_were()) {
		fit = false;
		if (us.dir_fd >= 0)
			name_remove(&us.name);
	}
	gate_step_in(was_inside);
	return fit;
}

bool socket_is_lost(void)
{
	uint64_t now = clock_ns();
	int bound = NAME_BOUND;

	if (atomic_load(&us.state) != NAME_BOUND || (!us.told && now < us.look_ns && now < us.watch_ns) || look(now))
		return false;
	close_directory();
	return atomic_compare_exchange_strong(&us.state, &bound, NAME_NONE);
}

static void prune_siblings(void)
{
	int dir_fd = kernel_open(us.dir.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (dir_fd < 0)
		return;
	rundir_prune(us.dir.path, dir_fd);
	kernel_close(dir_fd);
}

/* Where one is bound, or just being bound, our thread removes it. */
static int leave(int was)
{
	bool is_file = was == NAME_BOUND && us.name.path[0] == '/';

	return is_file || was == NAME_BINDING ? NAME_LEAVING : NAME_LEFT;
}

bool socket_leave(bool prune)
{
	int was = atomic_load(&us.state);

	if (prune)
		atomic_store(&us.prunes, true);
	while (was < NAME_LEAVING && !atomic_compare_exchange_weak(&us.state, &was, leave(was)))
		continue;
	return !socket_has_left();
}

bool socket_has_left(void)
{
	return atomic_load(&us.state) == NAME_LEFT;
}

void socket_remove(void)
{
	if (atomic_load(&us.state) != NAME_LEAVING)
		return;
	name_remove(&us.name);
	if (atomic_load(&us.prunes) && !env.socket[0])
		prune_siblings();
	if (us.dir.strict)
		kernel_rmdir(us.dir.path); /* fails, as it should, while others have names there */
	atomic_store(&us.state, NAME_LEFT);
}

void socket_withdraw(void)
{
	int bound = NAME_BOUND;
	bool was_inside = gate_step_out();

	if (atomic_compare_exchange_strong(&us.state, &bound, NAME_NONE) && us.name.path[0] == '/')
		name_remove(&us.name);
	socket_remove();
	close_directory();
	gate_step_in(was_inside);
}

void socket_begin(bool forked)
{
	atomic_store(&us.state, NAME_NONE);
	atomic_store(&us.prunes, false);
	us.name.path[0] = '\0';
	us.is_child = forked;
	us.dir_fd = -1; /* our thread's table has gone with it */
	us.told = false;
	us.watch_ns = CLOCK_NEVER;
}

const char *socket_path(void)
{
	return atomic_load(&us.state) == NAME_BOUND ? us.name.path : "";
}
