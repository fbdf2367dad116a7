/* SPDX-License-Identifier: BSD-2-Clause */
/* The doorway: everything that the library exports. Each wrapper is a jump through the dispatch
   table, which points straight at the next allocator unless something is being watched. Runs on
   the host's threads, from its first allocation to its last. */
#include <grp.h>
#include <malloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sections.h"
#include "control/control.h"
#include "host/real.h"
#include "include/mtpreload.h"
#include "inject/budget.h"

#define EXPORT __attribute__((visibility("default")))

/* musl has neither it nor a declaration of it. */
void *pvalloc(size_t size);

/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define FAMILY(traits, give, result, name, parameters, arguments) \
	EXPORT result name parameters \
	{ \
		give HEAP_CALL(name) arguments; \
	}
#include "host/family.def"
/* NOLINTEND(bugprone-macro-parentheses) */

/* Visible to the assembler, and to nobody else. */
START_STATE long (*next_syscall)(long number, ...);
long watched_syscall(long number, ...);

/* A system call as the C library's syscall makes it, past our own. */
#define KERNEL(...) (real_next("syscall", &next_syscall) ? next_syscall(__VA_ARGS__) : -1)

/* Daemons and forked children end here, where no destructor runs. */
EXPORT void _exit(int status)
{
	control_stop(true);
	for (;;)
		KERNEL(SYS_exit_group, status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}

/* These look at the whole process, and many of them are refused where it has a second thread: so ours is
   not there meanwhile, and follows the caller into its new namespaces. It does not matter to the rest. And where
   children are to have another pid namespace the kernel lets a process have no more threads: ours stays, with the
   old namespaces, but where it would be in the way. */
static bool leaves_us_alone(int flags)
{
	return !(flags & ~(CLONE_FILES | CLONE_NEWPID)) || (flags & (CLONE_NEWPID | CLONE_NEWUSER)) == CLONE_NEWPID;
}

static int unshare_alone(int flags)
{
	bool paused = !leaves_us_alone(flags) && control_pause();
	int rc = (int)KERNEL(SYS_unshare, flags);

	if (paused)
		control_resume();
	return rc;
}

EXPORT int unshare(int flags)
{
	return unshare_alone(flags);
}

static int setns_alone(int fd, int type)
{
	bool paused = type != CLONE_NEWPID && control_pause();
	int rc = (int)KERNEL(SYS_setns, fd, type);

	if (paused)
		control_resume();
	return rc;
}

EXPORT int setns(int fd, int type)
{
	return setns_alone(fd, type);
}

/* Of prctl(2) and seccomp(2); the latter's header is not there for every C library. */
enum { PRCTL_STRICT = 1, PRCTL_FILTER };
enum { SECCOMP_STRICT, SECCOMP_FILTER };
#define FILTER_NEW_LISTENER (1u << 3)

/* Behind a filter of system calls nothing of ours may run on the host's threads, not even to remove a name; and
   a filter that kills a thread ends the process only where there is no other. So a host that shuts itself up is
   left alone from then on: before, everything is taken back and our thread stopped, which is started again only
   if nothing came of it. Without a program nothing can come of it: that is how one asks what the kernel knows. */
static long prctl_watched(int option, const unsigned long argument[4])
{
	bool paused = option == PR_SET_SECCOMP &&
		      (argument[0] == PRCTL_STRICT || (argument[0] == PRCTL_FILTER && argument[1])) &&
		      control_end();
	long rc = KERNEL(SYS_prctl, option, argument[0], argument[1], argument[2], argument[3]);

	if (paused && rc < 0)
		control_resume();
	return rc;
}

EXPORT int prctl(int option, ...)
{
	unsigned long argument[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		argument[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)prctl_watched(option, argument);
}

static long seccomp_watched(unsigned operation, unsigned flags, unsigned long program)
{
	bool paused = (operation == SECCOMP_FILTER ? program != 0 :
						     operation == SECCOMP_STRICT && !flags) &&
		      control_end();
	long rc = KERNEL(SYS_seccomp, operation, flags, program);

	/* A number that is no descriptor is a thread which could not be put behind the filter. */
	if (paused && (rc < 0 || (rc > 0 && !(flags & FILTER_NEW_LISTENER))))
		control_resume();
	return rc;
}

/* libseccomp, however it is loaded, and others make such calls by the C library's syscall. This takes all arguments
   that there may be, whatever the number, as that does: but it only looks at them, since what lies where the last
   one would be may belong to the caller. Nothing here calls what is exported: in a second copy of the library that would
   be the first one's, which goes on to the second. */
long watched_syscall(long number, ...)
{
	unsigned long argument[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(ap, unsigned long);
	va_end(ap);
	switch (number) {
	case SYS_seccomp:
		return seccomp_watched((unsigned)argument[0], (unsigned)argument[1], argument[2]);
	case SYS_prctl:
		return prctl_watched((int)argument[0], argument + 1);
	case SYS_unshare:
		return unshare_alone((int)argument[0]);
	case SYS_setns:
		return setns_alone((int)argument[0], (int)argument[1]);
	case SYS_exit:
		control_thread_ends();
		break;
	default:
		break;
	}
	return KERNEL(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

#if defined(__x86_64__) && defined(__LP64__)
/* All others go on by a jump, with the caller's stack as it is: a child may come back on another (clone), or on the
   same at the same time (vfork). */
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define WATCH(number) "	cmpl $" TEXT(number) ", %edi\n	je watched_syscall\n"
__asm__(".text\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	WATCH(SYS_seccomp) WATCH(SYS_prctl) WATCH(SYS_unshare) WATCH(SYS_setns) WATCH(SYS_exit)
	"	movq next_syscall(%rip), %r11\n"
	"	testq %r11, %r11\n"
	"	jz watched_syscall\n"
	"	jmp *%r11\n"
	"	.cfi_endproc\n"
	".size syscall, . - syscall\n");
#else
EXPORT long syscall(long number, ...) __attribute__((alias("watched_syscall")));
#endif

/* Of setuid's family: name, parameters, arguments. */
#define RIGHTS(X) \
	X(setuid, (uid_t uid), (uid)) \
	X(seteuid, (uid_t uid), (uid)) \
	X(setreuid, (uid_t ruid, uid_t euid), (ruid, euid)) \
	X(setresuid, (uid_t ruid, uid_t euid, uid_t suid), (ruid, euid, suid)) \
	X(setgid, (gid_t gid), (gid)) \
	X(setegid, (gid_t gid), (gid)) \
	X(setregid, (gid_t rgid, gid_t egid), (rgid, egid)) \
	X(setresgid, (gid_t rgid, gid_t egid, gid_t sgid), (rgid, egid, sgid)) \
	X(setgroups, (size_t count, const gid_t *groups), (count, groups)) \
	X(initgroups, (const char *user, gid_t group), (user, group))

/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define CHANGES_RIGHTS(name, parameters, arguments) \
	static START_STATE int(*next_##name) parameters; \
	EXPORT int name parameters \
	{ \
		bool paused; \
		int rc; \
\
		if (!real_next(#name, &next_##name)) \
			return -1; \
		paused = control_rights_change(); \
		rc = next_##name arguments; \
		control_rights_changed(paused); \
		return rc; \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

RIGHTS(CHANGES_RIGHTS)

EXPORT int mt_mem_alloc(size_t size)
{
	return control_mem_alloc(size);
}

EXPORT void mt_mem_free(void)
{
	control_mem_free();
}

EXPORT unsigned long long mt_mem_used(void)
{
	return budget_held();
}

EXPORT const char *mt_version(void)
{
	return CONTROL_VERSION;
}

EXPORT int mt_is_active(void)
{
	return control_is_active();
}

static void stop_quickly(void)
{
	control_stop(true);
}

/* A variable of one name is one variable, however many copies of the library a process has (by two paths, an installed
   one beside a new one): all of them read the first copy's. Not the address of mt_version: a position dependent host
   that takes it has a stub of its own. Nor this one's address and an alias: clang takes the two for different. */
static char this_copy;
EXPORT const void *mt_first_copy = &this_copy;

/* Copies behind the first one pass everything on, to it in the end: whose C API the host finds is who obeys. */
#define LOOK_UP(name, parameters, arguments) real_next(#name, &next_##name);

__attribute__((constructor)) static void start(void)
{
	/* Now, and not in somebody's signal handler, or where the host has yet to ask what dlerror says. */
	real_next("syscall", &next_syscall);
	RIGHTS(LOOK_UP)
	real_begin();
	if (mt_first_copy != &this_copy)
		return;
	control_start();
	if (control_is_wanted())
		(void)at_quick_exit(stop_quickly); /* where it is refused, the next process prunes our name */
}

__attribute__((destructor)) static void stop(void)
{
	control_stop(false);
}
