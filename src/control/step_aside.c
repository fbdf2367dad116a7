/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done around such a call, by its number: the functions of the C library are calls of these numbers, too. */
#include "step_aside.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/sections.h"
#include "control/control.h"
#include "host/real.h"

START_STATE long (*next_syscall)(long number, ...);

bool step_aside_ready(void)
{
	return real_next("syscall", &next_syscall);
}

static long call(long number, const unsigned long a[6])
{
	return step_aside_ready() ? next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) : -1;
}

static long call_alone(long number, const unsigned long a[6])
{
	bool paused = control_follows_caller() && control_pause();
	long rc = call(number, a);

	if (paused)
		control_resume();
	else
		control_begin_lacking();
	return rc;
}

/* unshare and setns look at the whole process, and much of what they do is refused where it has a second thread: so ours
   is not there meanwhile, and follows the main thread into its new namespaces. Nothing that another thread calls is
   refused for ours, which shares only what the main one has. It does not matter to the rest. And where children are to have
   another pid namespace the kernel lets a process have no more threads: ours stays, with the old namespaces, but where
   it would be in the way. */
static bool leaves_us_alone(int flags)
{
	return !(flags & ~(CLONE_FILES | CLONE_NEWPID)) || (flags & (CLONE_NEWPID | CLONE_NEWUSER)) == CLONE_NEWPID;
}

static long call_unshare(const unsigned long a[6])
{
	return leaves_us_alone((int)a[0]) ? call(SYS_unshare, a) : call_alone(SYS_unshare, a);
}

static long call_setns(const unsigned long a[6])
{
	return (int)a[1] == CLONE_NEWPID ? call(SYS_setns, a) : call_alone(SYS_setns, a);
}

/* Of prctl(2) and seccomp(2); the latter's header is not there for every C library. */
enum { PRCTL_STRICT = 1, PRCTL_FILTER };
enum { SECCOMP_STRICT, SECCOMP_FILTER };
#define FILTER_NEW_LISTENER (1u << 3)

/* Behind a filter of system calls nothing of ours may run on the host's threads, not even to remove a name; and
   a filter that kills a thread ends the process only where there is no other. So a host that shuts itself up is
   left alone from then on: before, everything is taken back and our thread stopped, which is started again only
   if nothing came of it. Without a program nothing can come of it: that is how one asks what the kernel knows. */
static bool prctl_shuts_up(const unsigned long a[6])
{
	return (int)a[0] == PR_SET_SECCOMP && (a[1] == PRCTL_STRICT || (a[1] == PRCTL_FILTER && a[2]));
}

static bool seccomp_shuts_up(const unsigned long a[6])
{
	return (unsigned)a[0] == SECCOMP_FILTER ? a[2] != 0 : (unsigned)a[0] == SECCOMP_STRICT && !(unsigned)a[1];
}

static long call_and_shut_up(long number, const unsigned long a[6])
{
	bool listener = number == SYS_seccomp && (unsigned)a[1] & FILTER_NEW_LISTENER;
	bool paused = control_end();
	long rc = call(number, a);

	/* A number that is no descriptor is a thread which could not be put behind the filter. */
	if (paused && (rc < 0 || (rc > 0 && number == SYS_seccomp && !listener)))
		control_resume();
	return rc;
}

/* A thread's own rights. `unseen` by who compares what it has with what our thread has. */
static long call_and_follow(long number, const unsigned long a[6], bool unseen)
{
	long rc = call(number, a);

	if (rc >= 0)
		control_own_rights_changed(unseen);
	return rc;
}

/* Returns the one before, whatever comes of it. */
static long call_and_follow_files(long number, const unsigned long a[6])
{
	long before = call(number, a);

	if ((unsigned)before != (unsigned)a[0])
		control_own_rights_changed(true);
	return before;
}

/* Programs drop all capabilities there are one by one, most of which they have no more. */
static bool drops_something(unsigned long capability)
{
	const unsigned long ask[6] = { PR_CAPBSET_READ, capability };

	return control_follows_caller() && call(SYS_prctl, ask) == 1;
}

static long call_prctl(const unsigned long a[6])
{
	switch ((int)a[0]) {
	case PR_SET_SECCOMP:
		return prctl_shuts_up(a) ? call_and_shut_up(SYS_prctl, a) : call(SYS_prctl, a);
	case PR_SET_KEEPCAPS:
	case PR_SET_SECUREBITS:
		return call_and_follow(SYS_prctl, a, false);
	case PR_CAPBSET_DROP:
		return drops_something(a[1]) ? call_and_follow(SYS_prctl, a, true) : call(SYS_prctl, a);
	case PR_CAP_AMBIENT:
		return a[1] == PR_CAP_AMBIENT_IS_SET ? call(SYS_prctl, a) : call_and_follow(SYS_prctl, a, true);
	default:
		return call(SYS_prctl, a);
	}
}

long step_aside_call(long number, const unsigned long a[6])
{
	switch (number) {
	case SYS_seccomp:
		return seccomp_shuts_up(a) ? call_and_shut_up(number, a) : call(number, a);
	case SYS_prctl:
		return call_prctl(a);
	case SYS_unshare:
		return call_unshare(a);
	case SYS_setns:
		return call_setns(a);
	case SYS_exit:
		control_thread_ends();
		return call(number, a);
	case SYS_setfsuid:
	case SYS_setfsgid:
		return call_and_follow_files(number, a);
	case SYS_setgroups:
	case SYS_landlock_restrict_self:
		return call_and_follow(number, a, true);
	case SYS_capset:
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
		return call_and_follow(number, a, false);
	default:
		return call(number, a);
	}
}
