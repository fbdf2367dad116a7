/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks for those that are not to be asked. A thread's name can be read of every user's processes. */
#include "shun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter.h"
#include "place.h"

struct seeker {
	struct instances *shunned;
	pid_t except;
};

/* Where the kernel does not show us what it has bound, a name that has its pid has to do. */
static bool is_its(const struct instance *at, const struct stat *dir, const char *name, const struct stat *file)
{
	pid_t number = rundir_pid(name);

	if (!S_ISSOCK(file->st_mode) || !verify_is_user(file->st_uid, &at->proc))
		return false;
	if (at->bound.unseen)
		return number && (number == at->proc.pid || number == at->proc.inner);
	return bound_is(&at->bound, dir, name);
}

/* Whether an abstract name is bound, and by whom, only asking tells. */
static bool is_there(void *context, const char *path)
{
	struct instance *i = context;
	char dir[FIND_PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat in, file;

	if (*path == '@' || !slash)
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	if (stat(dir, &in) < 0 || lstat(path, &file) < 0 || !is_its(i, &in, slash + 1, &file))
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
	bound_find(&new.proc, proc_our_thread(pid, NULL), &new.bound);
	place_each_socket(&new.proc, is_there, &new);
	kept = find_append(s->shunned);
	if (kept)
		*kept = new;
}

bool shun_find(struct instances *shunned, pid_t except)
{
	struct seeker s = { shunned, except };

	return proc_each(look, &s) == 0;
}

struct instance *shun_of(const struct instances *shunned, int dir_fd, const char *name, const struct stat *file)
{
	struct stat dir;

	if (fstat(dir_fd, &dir) < 0)
		return NULL;
	for (size_t i = 0; i < shunned->count; i++)
		if (is_its(&shunned->at[i], &dir, name, file))
			return &shunned->at[i];
	return NULL;
}

int shun_dial_at(const struct instances *shunned, int dir_fd, const char *name, struct dialled *d,
		 struct instance **who)
{
	struct stat file;
	int seen = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	*d = (struct dialled)DIALLED_NONE;
	*who = NULL;
	if (seen < 0)
		return -errno;
	if (fstat(seen, &file) == 0)
		*who = shun_of(shunned, dir_fd, name, &file);
	if (!*who)
		return verify_dial_seen(seen, d);
	close(seen);
	return FIND_SHUNNED;
}
