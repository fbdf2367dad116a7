/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking for STOP, and watching for it. Asked by command.c before commands that inject, by control.c's loop, and
   by the C API on the host's threads. */
#include "stop.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/rundir.h"
#include "inject/budget.h"
#include "inject/chunk.h"
#include "inject/record.h"
#include "inject/reset.h"
#include "inject/sched.h"

/* Without a watch; and with one, in case that a network's file system tells us nothing, and since nobody tells us
   when the host's threads have freed the last of it. */
#define LOOK_OFTEN_NS NS_PER_S
#define LOOK_SELDOM_NS (10 * NS_PER_S)

/* So long the watch goes on when nothing is held any more: the kernel takes 5 to 15 ms to close an inotify instance, and
   whoever has freed something is likely to ask for more just then. */
#define LINGER_NS NS_PER_S

#define PATH_MAX_BYTES (2 * RUNDIR_PATH_MAX)

enum watch {
	WATCH_NOWHERE, /* there is no directory, or not yet */
	WATCH_OFF,
	WATCH_ASKED, /* off, and our thread has been woken to begin */
	WATCH_TIMED, /* inotify is refused, or tells us nothing: looked up every second */
	WATCH_ON
};

static atomic_int watch;   /* enum watch; set inside the gate, but for ASKED */
static atomic_bool exists; /* what our thread saw last; good only while WATCH_ON */

static char path[PATH_MAX_BYTES]; /* of the file; guarded by the gate */
static int dir_fd = -1;           /* the directory, wherever the host's root is by now; -1: the path has to do */
static int inotify_fd = -1;
static uint64_t look_ns = CLOCK_NEVER;
static bool lingers; /* the watch, until look_ns */

/* Outside the gate, as all that our thread does with the directory: its file system may hang. */
static void close_if_open(int *fd)
{
	bool was_inside = gate_step_out();

	if (*fd >= 0)
		kernel_close(*fd);
	*fd = -1;
	gate_step_in(was_inside);
}

static int open_directory(const char *directory)
{
	bool was_inside = gate_step_out();
	int fd = kernel_open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	gate_step_in(was_inside);
	return fd;
}

void stop_in_directory_of(const char *socket_path)
{
	const char *slash = strrchr(socket_path, '/');
	char directory[PATH_MAX_BYTES] = "";
	int fd = -1;

	if (*socket_path == '/') {
		snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - socket_path), socket_path);
		fd = open_directory(directory);
	}
	stop_end();
	dir_fd = fd;
	strcpy(path, directory);
	if (*path)
		strcat(path, STOP_NAME);
	atomic_store(&watch, *path ? WATCH_OFF : WATCH_NOWHERE);
}

/* A link that leads nowhere counts: whoever made it wanted something to stop. */
static bool is_there(int fd, const char *name)
{
	bool was_inside = gate_step_out(), found;
	struct stat st;

	found = kernel_fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	gate_step_in(was_inside);
	return found;
}

/* The directory may have been removed and made again, or the root may be another. */
static bool look(void)
{
	bool found = *path && ((dir_fd >= 0 && is_there(dir_fd, STOP_NAME)) || is_there(AT_FDCWD, path));

	atomic_store(&exists, found);
	return found;
}

static bool is_anything_held(void)
{
	return budget_used() || chunk_record_bytes() || sched_next_ns() != CLOCK_NEVER;
}

static void take_back(void)
{
	if (!is_anything_held() || reset_is_running())
		return;
	record_line("stopped by %s: %" PRIu64 " bytes are taken back", path, budget_held());
	reset_start();
}

const char *stop_in_force(void)
{
	if (!look())
		return NULL;
	take_back();
	return path;
}

/* A removed directory is not told of while we have it open. */
static bool directory_is_gone(void)
{
	bool was_inside = gate_step_out(), gone;
	struct stat st;

	gone = kernel_fstat(dir_fd, &st) < 0 || st.st_nlink == 0;
	gate_step_in(was_inside);
	return gone;
}

/* Through our descriptor, because the path may be another directory's in the host's present root. */
static bool watch_directory(void)
{
	char at[64];

	if (dir_fd < 0 || directory_is_gone())
		return false;
	inotify_fd = kernel_inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(at, sizeof(at), "/proc/thread-self/fd/%d", dir_fd);
	if (inotify_fd >= 0 &&
	    kernel_inotify_add_watch(inotify_fd, at,
			      IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF) >= 0)
		return true;
	close_if_open(&inotify_fd);
	return false;
}

static void begin_watch(void)
{
	bool was_inside = gate_step_out(), on = watch_directory();

	gate_step_in(was_inside);
	atomic_store(&watch, on ? WATCH_ON : WATCH_TIMED);
}

static void end_watch(void)
{
	close_if_open(&inotify_fd);
	look_ns = CLOCK_NEVER;
	lingers = false;
	if (atomic_load(&watch) != WATCH_NOWHERE)
		atomic_store(&watch, WATCH_OFF);
}

/* False where no more is to be expected of the watch. */
static bool read_events(void)
{
	_Alignas(struct inotify_event) char events[1024];
	ssize_t got = kernel_read(inotify_fd, events, sizeof(events));
	const struct inotify_event *e;
	bool good = true;

	/* One read at the most: who floods the directory does not hold us up. */
	for (ssize_t at = 0; at < got; at += (ssize_t)(sizeof(*e) + e->len)) {
		e = (const void *)(events + at);
		if (e->mask & (IN_IGNORED | IN_MOVE_SELF))
			good = false;
	}
	return good && !directory_is_gone();
}

/* Nothing is held. A watch that is on has to be read still, and to be right. */
static void linger(enum watch was, bool told, uint64_t now)
{
	bool ends = was != WATCH_ON || (lingers && now >= look_ns) || (told && !read_events());

	if (ends) {
		end_watch();
		return;
	}
	if (told)
		look();
	if (!lingers)
		look_ns = now + LINGER_NS;
	lingers = true;
}

void stop_run(bool told)
{
	enum watch was = (enum watch)atomic_load(&watch);
	uint64_t now = clock_ns();
	bool is_due = told || now >= look_ns, often;

	if (was == WATCH_NOWHERE)
		return;
	if (!is_anything_held()) {
		if (was != WATCH_OFF)
			linger(was, told, now);
		return;
	}
	lingers = false;
	if (was == WATCH_OFF || was == WATCH_ASKED) {
		begin_watch();
		is_due = true; /* it may have come before */
	} else if (told && !read_events()) {
		close_if_open(&inotify_fd);
		atomic_store(&watch, WATCH_TIMED);
	}
	if (!is_due)
		return;
	/* While it exists something may still come from the host's threads, that was on its way. */
	often = look() || atomic_load(&watch) == WATCH_TIMED;
	look_ns = now + (often ? LOOK_OFTEN_NS : LOOK_SELDOM_NS);
	if (atomic_load(&exists))
		take_back();
}

int stop_fd(void)
{
	return inotify_fd;
}

uint64_t stop_next_ns(void)
{
	return look_ns;
}

void stop_end(void)
{
	end_watch();
	close_if_open(&dir_fd);
}

void stop_forget(void)
{
	dir_fd = inotify_fd = -1;
	end_watch();
}

bool stop_refuses_host(void)
{
	char copy[PATH_MAX_BYTES];

	switch (atomic_load(&watch)) {
	case WATCH_NOWHERE:
		return false;
	case WATCH_ON:
		return atomic_load(&exists);
	default:
		gate_enter();
		strcpy(copy, path);
		gate_leave();
		return is_there(AT_FDCWD, copy);
	}
}

bool stop_wants_watch(void)
{
	int off = WATCH_OFF;

	return atomic_compare_exchange_strong(&watch, &off, WATCH_ASKED);
}
