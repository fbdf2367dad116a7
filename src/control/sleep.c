/* SPDX-License-Identifier: BSD-2-Clause */
/* Falling asleep so that nothing is missed: descriptors are armed (O_ASYNC), signals of before are taken off the queue,
   and only then is looked whether something came. While a connection is served it is not armed, so that a busy client
   queues no signals. */
#include "sleep.h"

#include <errno.h>
#include <fcntl.h>
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

/* Whoever our thread calls in an allocator (libunwind behind heaptrack, say) may save and restore the signal mask by the C
   library's functions, and those leave our signal unblocked: it would end the host. So it has a handler, which exec takes
   away; what it has taken is looked after before the next sleep. The C library puts its own in its place at the first
   pthread_cancel: that passes over all signals that are not sent by tgkill. */
static atomic_bool came_awake;

static void note_signal(int number)
{
	(void)number;
	atomic_store_explicit(&came_awake, true, memory_order_relaxed);
}

/* The kernel's sigaction. On x86-64 it has no way back from a handler but the one it is given. */
struct action {
	void (*handler)(int number);
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

static void handle_signal(void)
{
	const struct action ours = { note_signal, SA_RESTART | RESTORER_FLAG, sleep_return_from_handler, ~UINT64_C(0) };
	struct action now = { 0 };

	if (kernel_syscall(SYS_rt_sigaction, WAKE_SIGNAL, NULL, &now, sizeof(now.mask)) == 0 && now.handler == SIG_DFL)
		(void)kernel_syscall(SYS_rt_sigaction, WAKE_SIGNAL, &ours, NULL, sizeof(ours.mask));
}

static void block_signal(void)
{
	(void)kernel_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &wake_set, NULL, sizeof(wake_set));
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

/* True when the signal came; false at the end of the time, and when the process was stopped and goes on. */
static bool wait_for_signal(struct sleeper *s, const struct timespec *time)
{
	siginfo_t info;

	if (kernel_syscall(SYS_rt_sigtimedwait, &wake_set, &info, time, sizeof(wake_set)) != WAKE_SIGNAL)
		return false;
	s->noticed |= info.si_code == DNOTIFY_CODE;
	return true;
}

static void drain(struct sleeper *s)
{
	static const struct timespec now;

	while (wait_for_signal(s, &now))
		continue;
}

/* The kernel's sigevent; the C libraries name its last field differently. */
struct event {
	long value;
	int number, notify;
	pid_t tid;
	int unused[11];
};

void sleep_rest(struct sleeper *s, uint64_t until_ns)
{
	struct timespec time;
	uint64_t now;

	handle_signal();
	block_signal();
	atomic_store(&s->tid, kernel_tid());
	while (!atomic_load(&s->woken) && (now = clock_ns()) < until_ns) {
		time = clock_until(until_ns, now);
		wait_for_signal(s, &time);
	}
}

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
	s->noticed = false;
	s->count = 0;
}

void sleep_end(struct sleeper *s)
{
	int timer = atomic_load(&s->timer);

	if (timer >= 0)
		(void)kernel_syscall(SYS_timer_delete, timer);
	sleep_forget(s);
}

void sleep_wake(struct sleeper *s)
{
	static const struct itimerspec at_once = { .it_value = { .tv_nsec = 1 } };
	int timer = atomic_load(&s->timer), saved = errno;
	pid_t tid;

	atomic_store(&s->woken, true);
	tid = atomic_load(&s->tid); /* where it has none yet it looks before it sleeps */
	if (timer < 0 || kernel_syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &at_once, NULL) < 0) {
		if (tid)
			(void)send_signal(tid);
	}
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

void sleep_add(struct sleeper *s, int fd, short events, enum sleep_arm *arm)
{
	s->polled[s->count] = (struct pollfd){ .fd = fd, .events = events };
	s->arm[s->count++] = arm;
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

bool sleep_noticed(struct sleeper *s)
{
	bool noticed = s->noticed;

	s->noticed = false;
	return noticed;
}

static bool arm(struct sleeper *s, unsigned i)
{
	int fd = s->polled[i].fd;

	if (*s->arm[i] == ARM_UNKNOWN && !signal_us(fd))
		return false;
	*s->arm[i] = ARM_OFF;
	if (kernel_fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)
		return false;
	*s->arm[i] = ARM_ON;
	return true;
}

/* The kernel has noted with each descriptor who we were when it was armed. */
static void look_who_we_are(struct sleeper *s)
{
	uid_t now[3] = { 0 };

	kernel_getresuid(&now[0], &now[1], &now[2]);
	for (unsigned i = 0; memcmp(now, s->armed_as, sizeof(now)) != 0 && i < s->count; i++)
		*s->arm[i] = ARM_UNKNOWN;
	memcpy(s->armed_as, now, sizeof(now));
}

/* False where one cannot be armed: there is no memory, say. One that waits for room to send counts as ready at first:
   the kernel signals new room only for what it has refused since it was armed. */
static bool arm_all(struct sleeper *s, bool *ready)
{
	bool all = true;

	look_who_we_are(s);
	for (unsigned i = 0; i < s->count; i++) {
		if (*s->arm[i] == ARM_ON)
			continue;
		all &= arm(s, i);
		s->polled[i].revents = *s->arm[i] == ARM_ON ? s->polled[i].events & POLLOUT : 0;
		*ready |= s->polled[i].revents != 0;
	}
	return all;
}

/* What is about to be read needs no signal for each further message. */
static void disarm_ready(struct sleeper *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (*s->arm[i] == ARM_ON && (s->polled[i].revents & ~POLLOUT) &&
		    kernel_fcntl(s->polled[i].fd, F_SETFL, O_NONBLOCK) == 0)
			*s->arm[i] = ARM_OFF;
}

static void forget_events(struct sleeper *s)
{
	for (unsigned i = 0; i < s->count; i++)
		s->polled[i].revents = 0;
}

/* Of one that is to be read from its end would be read. */
static bool is_gone(const struct pollfd *p)
{
	return !(p->events & POLLIN) &&
	       kernel_send(p->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	       errno == EPIPE;
}

/* poll refuses more descriptors than the host's limit allows it to have, open or not; select does not ask. */
static int look_by_select(struct sleeper *s)
{
	static const struct timespec now;
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
	if (kernel_pselect(highest + 1, &in, &out, NULL, &now, NULL) < 0)
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

bool sleep_look(struct sleeper *s)
{
	static const struct timespec now;
	int saved = errno, found = kernel_ppoll(s->polled, s->count, &now, NULL);

	if (found < 0 && errno == EINVAL)
		found = look_by_select(s);
	if (found < 0)
		forget_events(s);
	errno = saved;
	return found > 0;
}

static void fall_asleep(struct sleeper *s, uint64_t deadline_ns)
{
	bool ready = false, can_be_woken;
	uint64_t now, until_ns = deadline_ns;
	struct timespec time;

	block_signal();
	can_be_woken = arm_all(s, &ready);
	drain(s);
	can_be_woken &= sleep_takes_signals(s); /* one to oneself is refused like everybody else's */
	drain(s); /* what was sent before is told by what follows */
	s->noticed |= atomic_exchange(&came_awake, false);
	atomic_store(&s->looks, !can_be_woken);
	if (ready || sleep_look(s) || s->noticed || atomic_load(&s->woken))
		return;
	now = clock_ns();
	if (!can_be_woken && now + LOOK_NS < until_ns)
		until_ns = now + LOOK_NS;
	time = clock_until(until_ns, now);
	wait_for_signal(s, until_ns == CLOCK_NEVER ? NULL : &time);
	sleep_look(s);
}

void sleep_until(struct sleeper *s, uint64_t deadline_ns)
{
	if (!sleep_look(s) && clock_ns() < deadline_ns)
		fall_asleep(s, deadline_ns);
	atomic_store(&s->woken, false); /* what for is looked at after this */
	disarm_ready(s);
}
