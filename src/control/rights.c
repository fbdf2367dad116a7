/* SPDX-License-Identifier: BSD-2-Clause */
/* What decides whether a call of setuid's family is allowed. On the host's threads; its own calls of that family do
   not run beside each other (the C library holds a lock), so nor do these. */
#include "rights.h"

#include <errno.h>
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

static struct rights noted;

static void read_rights(struct rights *r)
{
	int saved = errno;

	memset(r, 0, sizeof(*r));
	kernel_getresuid(&r->uids[0], &r->uids[1], &r->uids[2]);
	kernel_getresgid(&r->gids[0], &r->gids[1], &r->gids[2]);
	r->securebits = (int)kernel_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	capability_get(r->capabilities);
	errno = saved;
}

void rights_note(void)
{
	read_rights(&noted);
}

bool rights_are_noted(void)
{
	struct rights now;

	read_rights(&now);
	return memcmp(&now, &noted, sizeof(now)) == 0;
}
