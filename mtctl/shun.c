/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks for those that are not to be asked. A thread's name can be read of every user's processes. */
#include "shun.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "filter.h"
#include "place.h"

struct seeker {
	struct instances *shunned;
	pid_t except;
};

/* Whether an abstract name is bound, and by whom, only asking tells. */
static bool is_there(void *context, const char *path)
{
	struct instance *i = context;

	if (*path == '@' || access(path, F_OK) < 0)
		return false;
	snprintf(i->socket, sizeof(i->socket), "%s", path);
	return true;
}

static void look(void *context, pid_t pid)
{
	struct seeker *s = context;
	struct instance new = { .trouble = FIND_SHUNNED }, *kept;

	if (pid == s->except || pid == getpid() || !filter_may_kill(pid) || !proc_read(pid, &new.proc))
		return;
	place_each_socket(&new.proc, is_there, &new);
	kept = find_append(s->shunned);
	if (kept)
		*kept = new;
}

bool shun_find(struct instances *shunned, pid_t except)
{
	struct seeker s = { shunned, except };

	return proc_each(look, &s);
}

struct instance *shun_of(const struct instances *shunned, const char *path, pid_t number)
{
	for (size_t i = 0; i < shunned->count; i++) {
		struct instance *at = &shunned->at[i];

		/* In a directory that containers share a name has the pid that its owner knows. */
		if (number && (number == at->proc.pid || number == at->proc.inner))
			return at;
		if (strcmp(at->socket, path) == 0)
			return at;
	}
	return NULL;
}
