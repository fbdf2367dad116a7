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
#include "control/step_aside.h"
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

/* What the exported functions do by a system call, past the one that is exported: in a second copy of the library
   that would be the first one's, which goes on to the second. */
#define WATCHED(number, ...) step_aside_call(number, (const unsigned long[6]){ __VA_ARGS__ })

/* Daemons and forked children end here, where no destructor runs. */
EXPORT void _exit(int status)
{
	control_stop(true);
	for (;;)
		WATCHED(SYS_exit_group, (unsigned long)status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}

EXPORT int unshare(int flags)
{
	return (int)WATCHED(SYS_unshare, (unsigned long)flags);
}

EXPORT int setns(int fd, int type)
{
	return (int)WATCHED(SYS_setns, (unsigned long)fd, (unsigned long)type);
}

EXPORT int prctl(int option, ...)
{
	unsigned long argument[6] = { (unsigned long)option };
	va_list ap;

	va_start(ap, option);
	for (int i = 1; i < 5; i++)
		argument[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)step_aside_call(SYS_prctl, argument);
}

/* libseccomp, however it is loaded, and others make such calls by the C library's syscall. This takes all arguments
   that there may be, whatever the number, as that does: but it only looks at them, since what lies where the last
   one would be may belong to the caller. Visible to the assembler, and to nobody else. */
long watched_syscall(long number, ...);

long watched_syscall(long number, ...)
{
	unsigned long argument[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return step_aside_call(number, argument);
}

/* All others go on by a jump, with the caller's stack as it is: a child may come back on another (clone), or on the
   same at the same time (vfork). */
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#if defined(__x86_64__) && defined(__LP64__)
#define WATCH(number) "	cmpl $" TEXT(number) ", %edi\n	je watched_syscall\n"
#define GO_ON \
	"	movq next_syscall(%rip), %r11\n" \
	"	testq %r11, %r11\n" \
	"	jz watched_syscall\n" \
	"	jmp *%r11\n"
#define LANDING "	endbr64\n"
#elif defined(__aarch64__) && defined(__LP64__)
#define WATCH(number) "	cmp w0, #" TEXT(number) "\n	b.eq watched_syscall\n"
#define GO_ON \
	"	adrp x16, next_syscall\n" \
	"	ldr x16, [x16, :lo12:next_syscall]\n" \
	"	cbz x16, watched_syscall\n" \
	"	br x16\n"
#define LANDING "	hint #34\n" /* bti c */
#else
#error "mtpreload knows x86-64 and aarch64 only: syscall needs a few instructions of its own for another processor"
#endif
__asm__(".text\n"
	".globl syscall\n"
	".type syscall, %function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	LANDING STEP_ASIDE_NUMBERS(WATCH) GO_ON
	"	.cfi_endproc\n"
	".size syscall, . - syscall\n");

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

/* Those that change the calling thread alone, as the C library declares them, but for their headers; and has it come
   to something that cannot be compared? The last two return what was. */
#define OWN_RIGHTS(X) \
	X(capset, (void *header, const void *data), (header, data), false) \
	X(setfsuid, (uid_t uid), (uid), (uid_t)rc != uid) \
	X(setfsgid, (gid_t gid), (gid), (gid_t)rc != gid)

/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define CHANGES_OWN_RIGHTS(name, parameters, arguments, unseen) \
	static START_STATE int(*next_##name) parameters; \
	int name parameters; \
	EXPORT int name parameters \
	{ \
		int rc; \
\
		if (!real_next(#name, &next_##name)) \
			return -1; \
		rc = next_##name arguments; \
		control_own_rights_changed(unseen); \
		return rc; \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

OWN_RIGHTS(CHANGES_OWN_RIGHTS)

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
#define LOOK_UP(name, ...) real_next(#name, &next_##name);

__attribute__((constructor)) static void start(void)
{
	/* Now, and not in somebody's signal handler, or where the host has yet to ask what dlerror says. */
	(void)step_aside_ready(); /* every program has a C library */
	RIGHTS(LOOK_UP)
	OWN_RIGHTS(LOOK_UP)
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
