/* SPDX-License-Identifier: BSD-2-Clause */
/* Our thread sleeps in ppoll, whose mask lets its signal through only while it sleeps: one that came before ends the sleep
   at once. A timer sends the signal, at a deadline and for whoever wakes the thread. Its place in the queue of signals was
   taken when it was made, and its time does not stand still while the process is stopped. */
#include "sleep.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/kernel.h"

#define WAKE_SIGNAL 32
#define LOOK_NS (100 * NS_PER_MS)

/* The kernel's set: pthread_sigmask and sigtimedwait(3) may leave this signal out. */
static const uint64_t wake_set = UINT64_C(1) << (WAKE_SIGNAL - 1);

/* The kernel's (fcntl(2)); its names are not there for every C library. */
struct owner {
	int type;
	pid_t pid;
};
enum { OWNER_THREAD = 0, SET_SIGNAL = 10, SET_OWNER = 15 };

#define DNOTIFY_CODE 3 /* POLL_MSG */

/* What the signals told since it was last asked. The C library puts its own handler in the place of ours at the first
   pthread_cancel. It passes over all signals that are not sent by tgkill, and tells us of none. */
static struct {
	atomic_bool directory; /* that is watched by dnotify has changed */
	atomic_bool other;
} came;

static void note_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	atomic_store(info->si_code == DNOTIFY_CODE ? &came.directory : &came.other, true);
}

/* The kernel's sigaction. On x86-64 it has no way back from a handler but the one it is given. */
struct action {
	void (*handler)(int number, siginfo_t *info, void *context);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

#if defined(__x86_64__)
#define RESTORER_FLAG 0x04000000ul
void sleep_return_from_handler(void);
__asm__(".text\n"
	".hidden sleep_return_from_handler\n"
	".globl sleep_return_from_handler\n"
	".type sleep_return_from_handler, @function\n"
	"sleep_return_from_handler:\n"
	"	movl $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	".size sleep_return_from_handler, . - sleep_return_from_handler\n");
#else
#define RESTORER_FLAG 0ul
#define sleep_return_from_handler NULL
#endif

static bool is_handled(const struct action *a)
{
	/* SIG_DFL or SIG_IGN: posix_spawn leaves it ignored in what it runs. */
	return (uintptr_t)a->handler > (uintptr_t)SIG_IGN;
}

void sleep_handle_signal(void)
{
	const struct action ours = { note_signal, SA_SIGINFO | SA_RESTART | RESTORER_FLAG, sleep_return_from_handler,
				     ~UINT64_C(0) };
	struct action before = { 0 };

	if (kernel_syscall(SYS_rt_sigaction, WAKE_SIGNAL, NULL, &before, sizeof(before.mask)) < 0 || is_handled(&before))
		return;
	if (kernel_syscall(SYS_rt_sigaction, WAKE_SIGNAL, &ours, &before, sizeof(ours.mask)) == 0 && is_handled(&before))
		(void)kernel_syscall(SYS_rt_sigaction, WAKE_SIGNAL, &before, NULL, sizeof(before.mask)); /* set meanwhile */
}

/* Returns the mask to sleep with. */
static uint64_t block_signal(void)
{
	uint64_t before = 0;

	(void)kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &wake_set, &before, sizeof(before));
	return before & ~wake_set;
}

/* As sigqueue(3) does, for one thread: not by tgkill, which pthread_cancel uses. 0 or -1. */
static int send_signal(pid_t tid)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = WAKE_SIGNAL;
	info.si_code = SI_QUEUE;
	return (int)kernel_syscall(SYS_rt_tgsigqueueinfo, kernel_pid(), tid, WAKE_SIGNAL, &info);
}

/* The kernel's sigevent; the C libraries name its last field differently. */
struct event {
	long value;
	int number, notify;
	pid_t tid;
	int unused[11];
};

void sleep_begin(struct sleeper *s)
{
	struct event event = { .number = WAKE_SIGNAL, .notify = SIGEV_THREAD_ID, .tid = kernel_tid() };
	int timer = -1;

	if (kernel_syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) < 0)
		timer = -1;
	atomic_store(&s->timer, timer);
	atomic_store(&s->looks, timer < 0);
}

void sleep_forget(struct sleeper *s)
{
	atomic_store(&s->tid, 0);
	atomic_store(&s->woken, false);
	atomic_store(&s->looks, false);
	atomic_store(&s->timer, -1);
	s->count = 0;
}

void sleep_end(struct sleeper *s)
{
	int timer = atomic_load(&s->timer);

	if (timer >= 0)
		(void)kernel_syscall(SYS_timer_delete, timer);
	sleep_forget(s);
}

/* CLOCK_NEVER: not at all. */
static bool set_timer(struct sleeper *s, uint64_t at_ns)
{
	struct itimerspec at = { 0 };

	if (at_ns != CLOCK_NEVER)
		at.it_value = clock_until(at_ns, 0);
	return kernel_syscall(SYS_timer_settime, atomic_load(&s->timer), TIMER_ABSTIME, &at, NULL) == 0;
}

void sleep_wake(struct sleeper *s)
{
	int saved = errno;
	pid_t tid;

	atomic_store(&s->woken, true);
	tid = atomic_load(&s->tid); /* where it has none yet it looks before it sleeps */
	if (!set_timer(s, 1) && tid)
		(void)send_signal(tid);
	errno = saved;
}

bool sleep_takes_signals(const struct sleeper *s)
{
	pid_t tid = atomic_load(&s->tid);
	int saved = errno;
	bool sent = !tid || send_signal(tid) == 0;

	errno = saved;
	return sent;
}

void sleep_clear(struct sleeper *s)
{
	s->count = 0;
}

void sleep_add(struct sleeper *s, int fd, short events)
{
	s->polled[s->count++] = (struct pollfd){ .fd = fd, .events = events };
}

/* To the calling thread. */
static bool signal_us(int fd)
{
	const struct owner us = { OWNER_THREAD, kernel_tid() };

	return kernel_fcntl(fd, SET_SIGNAL, WAKE_SIGNAL) == 0 && kernel_fcntl(fd, SET_OWNER, (long)&us) == 0;
}

int sleep_told_by(int fd)
{
	uint64_t blocked = 0;

	/* Where the signal is not blocked it would end the process. */
	(void)kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
	if (!(blocked & wake_set))
		return -EPERM;
	return signal_us(fd) ? 0 : -errno;
}

void sleep_notice(struct sleeper *s)
{
	atomic_store(&came.directory, true);
	sleep_wake(s);
}

bool sleep_noticed(void)
{
	return atomic_exchange(&came.directory, false);
}

/* Of one that is to be read from its end would be read. */
static bool is_gone(const struct pollfd *p)
{
	return !(p->events & POLLIN) &&
	       kernel_send(p->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	       errno == EPIPE;
}

static bool waits_only_for_its_end(const struct sleeper *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->count; i++)
		any |= !s->polled[i].events;
	return any;
}

/* poll refuses more descriptors than the host's limit allows it to have, open or not; select does not ask. It does not tell
   that one has been hung up which is not to be read from. */
static int wait_by_select(struct sleeper *s, const struct timespec *time, const sigset_t *mask)
{
	static const struct timespec a_look = { .tv_nsec = LOOK_NS };
	fd_set in, out;
	int highest = 0, found = 0;

	FD_ZERO(&in);
	FD_ZERO(&out);
	for (unsigned i = 0; i < s->count; i++) {
		unsigned fd = (unsigned)s->polled[i].fd;

		if (fd >= FD_SETSIZE)
			continue;
		if (s->polled[i].events & POLLIN)
			FD_SET(fd, &in);
		if (s->polled[i].events & POLLOUT)
			FD_SET(fd, &out);
		highest = (int)fd > highest ? (int)fd : highest;
	}
	if (!time && waits_only_for_its_end(s))
		time = &a_look;
	if (kernel_pselect(highest + 1, &in, &out, NULL, time, mask) < 0)
		return -1;
	for (unsigned i = 0; i < s->count; i++) {
		struct pollfd *p = &s->polled[i];
		unsigned fd = (unsigned)p->fd;

		if (fd >= FD_SETSIZE)
			continue;
		p->revents = (short)((FD_ISSET(fd, &in) ? POLLIN : 0) | (FD_ISSET(fd, &out) ? POLLOUT : 0) |
				     (is_gone(p) ? POLLHUP : 0));
		found += p->revents != 0;
	}
	return found;
}

/* A filter refuses both. Nothing can be seen, but the host's processor is not to be kept. */
static int rest_blindly(const struct timespec *time)
{
	static const struct timespec a_look = { .tv_nsec = LOOK_NS };

	kernel_nanosleep(time && time->tv_sec == 0 && time->tv_nsec < a_look.tv_nsec ? time : &a_look, NULL);
	errno = EPERM;
	return -1;
}

bool sleep_can_wait(void)
{
	static const struct timespec now;

	return kernel_ppoll(NULL, 0, &now, NULL) >= 0 || kernel_pselect(0, NULL, NULL, NULL, &now, NULL) >= 0;
}

/* So long at the most (NULL: without end), with that mask (NULL: the thread's own). True when something has come. */
static bool wait_for(struct sleeper *s, const struct timespec *time, const uint64_t *mask)
{
	int saved = errno, found = kernel_ppoll(s->polled, s->count, time, (const sigset_t *)mask);

	if (found < 0 && errno != EINTR)
		found = wait_by_select(s, time, (const sigset_t *)mask);
	if (found < 0 && errno != EINTR)
		found = rest_blindly(time);
	for (unsigned i = 0; found < 0 && i < s->count; i++)
		s->polled[i].revents = 0;
	if (found < 0 && errno == EINTR && !atomic_exchange(&came.other, false))
		atomic_store(&came.directory, true); /* it may be */
	errno = saved;
	return found > 0;
}

bool sleep_look(struct sleeper *s)
{
	static const struct timespec now;

	return wait_for(s, &now, NULL);
}

void sleep_rest(struct sleeper *s, uint64_t until_ns)
{
	uint64_t mask = block_signal(), now;
	struct timespec time;

	atomic_store(&s->tid, kernel_tid());
	while (!atomic_load(&s->woken) && (now = clock_ns()) < until_ns) {
		time = clock_until(until_ns, now);
		wait_for(s, &time, &mask);
	}
}

static void fall_asleep(struct sleeper *s, uint64_t deadline_ns)
{
	uint64_t mask = block_signal(), now = clock_ns();
	uint64_t look_ns = now + LOOK_NS;
	struct timespec time = clock_until(look_ns < deadline_ns ? look_ns : deadline_ns, now);
	bool on_time;

	if (atomic_load(&s->looks))
		sleep_begin(s); /* there may be room by now */
	on_time = set_timer(s, deadline_ns);
	if (!atomic_load(&s->woken) && !atomic_load(&came.directory))
		wait_for(s, on_time ? NULL : &time, &mask);
}

void sleep_until(struct sleeper *s, uint64_t deadline_ns)
{
	if (!sleep_look(s) && clock_ns() < deadline_ns)
		fall_asleep(s, deadline_ns);
	atomic_store(&s->woken, false); /* what for is looked at after this */
}
