/* SPDX-License-Identifier: BSD-2-Clause */
/* What decides whether a call of setuid's family is allowed. Of two threads that change theirs at once either may be noted
   last, word by word, as either may be the last whose call changes our thread. */
#include "rights.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/capability.h"
#include "base/kernel.h"

struct rights {
	uid_t uids[3]; /* real, effective, saved */
	gid_t gids[3];
	int securebits; /* PR_SET_KEEPCAPS is one of them */
	struct capabilities capabilities[2];
};

#define WORDS ((sizeof(struct rights) + sizeof(uint64_t) - 1) / sizeof(uint64_t))

union words {
	struct rights rights;
	uint64_t word[WORDS];
};

static _Atomic uint64_t noted[WORDS];

static void read_rights(union words *words)
{
	struct rights *r = &words->rights;
	int saved = errno;

	memset(words, 0, sizeof(*words));
	kernel_getresuid(&r->uids[0], &r->uids[1], &r->uids[2]);
	kernel_getresgid(&r->gids[0], &r->gids[1], &r->gids[2]);
	r->securebits = (int)kernel_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	capability_get(r->capabilities);
	errno = saved;
}

void rights_note(void)
{
	union words now;

	read_rights(&now);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&noted[i], now.word[i], memory_order_relaxed);
}

void rights_forget(void)
{
	atomic_store_explicit(&noted[0], UINT64_MAX, memory_order_relaxed); /* nobody has such ids */
}

bool rights_are_noted(void)
{
	union words now;
	bool same = true;

	read_rights(&now);
	for (size_t i = 0; i < WORDS; i++)
		same &= now.word[i] == atomic_load_explicit(&noted[i], memory_order_relaxed);
	return same;
}

/* The kernel tells a thread of the same process with which rights another may ask for its limits: the same ids. */
static bool has_our_ids(pid_t tid)
{
	uint64_t limit[2];
	uid_t u[3];
	gid_t g[3];

	kernel_getresuid(&u[0], &u[1], &u[2]);
	kernel_getresgid(&g[0], &g[1], &g[2]);
	if (u[0] != u[1] || u[1] != u[2] || g[0] != g[1] || g[1] != g[2])
		return true; /* it would be refused in any case */
	return kernel_syscall(SYS_prlimit64, tid, 0, NULL, limit) == 0 || errno != EPERM;
}

bool rights_are_those_of(pid_t tid)
{
	struct capabilities ours[2] = { 0 }, its[2] = { 0 };
	int saved = errno;
	bool same;

	if (!tid)
		return true;
	capability_get(ours);
	capability_get_of(tid, its);
	same = memcmp(ours, its, sizeof(ours)) == 0 && has_our_ids(tid);
	errno = saved;
	return same;
}
