/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a directory is not one for sockets: what rundir_open demands, asked without making anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/rundir.h"
#include "check.h"
#include "inside.h"
#include "users.h"

/* May this one make names in it? NULL, or what is in the way. */
static const char *cannot_write(const struct persona *who, pid_t pid, const char *path,
				const struct stat *st)
{
	char part[PATH_MAX], through[PATH_MAX];
	struct statvfs fs;

	snprintf(through, sizeof(through), "/proc/%d/root%.*s", (int)(pid ? pid : getpid()),
		 RUNDIR_PATH_MAX, path);
	if (!S_ISDIR(st->st_mode))
		return "is no directory";
	if (statvfs(through, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		return "is read-only";
	if (!persona_may(who, st, 3))
		return "cannot be written by it";
	if (persona_is_kept_from(who, pid, path, part, sizeof(part)) && strcmp(part, path) != 0)
		return "lies in a directory that it may not enter";
	return NULL;
}

/* Could it be made? */
static const char *cannot_make(const struct persona *who, pid_t pid, const char *path)
{
	char parent[RUNDIR_PATH_MAX];
	struct stat st;

	snprintf(parent, sizeof(parent), "%s", path);
	if (!strrchr(parent, '/'))
		return "is a relative path";
	*strrchr(parent, '/') = '\0';
	if (!*parent)
		strcpy(parent, "/");
	if (inside_stat(pid, parent, &st) < 0)
		return "does not exist, nor does what it would lie in";
	return cannot_write(who, pid, parent, &st) ? "does not exist, and cannot be made by it" : NULL;
}

static const char *trouble(const struct persona *who, pid_t pid, const struct rundir *dir)
{
	struct stat st;
	int rc;

	if (*dir->path != '/')
		return "is a relative path";
	rc = inside_stat(pid, dir->path, &st);
	if (rc == -ENOENT)
		return dir->make ? cannot_make(who, pid, dir->path) : "does not exist";
	if (rc < 0)
		return strerror(-rc);
	if (dir->strict ? st.st_uid != who->uid : st.st_uid != who->uid && st.st_uid != 0)
		return "belongs to another user";
	if (dir->strict && (st.st_mode & 077))
		return "is open to others";
	return cannot_write(who, pid, dir->path, &st);
}

/* Its own, or ours where it is about a program. */
static const char *variable(const struct subject *s, const char *name)
{
	if (!s->proc.pid)
		return getenv(name);
	return s->environment.data ? proc_env(&s->environment, name) : NULL;
}

const char *place_fixed(const struct subject *s)
{
	const char *fixed = variable(s, "MTPRELOAD_SOCKET");

	return fixed && *fixed == '/' && strlen(fixed) < RUNDIR_PATH_MAX ? fixed : NULL;
}

/* $MTPRELOAD_SOCKET names the only place. */
static void explain_fixed(const struct persona *who, pid_t pid, const char *fixed, struct buf *why,
			  struct buf *usable)
{
	struct rundir dir = { .make = false };
	const char *slash = strrchr(fixed, '/'), *wrong;

	snprintf(dir.path, sizeof(dir.path), "%.*s", slash > fixed ? (int)(slash - fixed) : 1, fixed);
	wrong = trouble(who, pid, &dir);
	if (wrong)
		buf_printf(why, "MTPRELOAD_SOCKET=%s: %s %s", fixed, dir.path, wrong);
	else
		buf_printf(usable, "MTPRELOAD_SOCKET=%s", fixed);
}

void place_explain(const struct subject *s, struct buf *why, struct buf *usable)
{
	const struct rundir_env env = { variable(s, "MTPRELOAD_DIR"), variable(s, "RUNTIME_DIRECTORY"),
					variable(s, "XDG_RUNTIME_DIR") };
	const char *wrong;
	struct persona who = { .uid = geteuid(), .groups = { getegid() }, .group_count = 1 };
	struct rundir dir;
	size_t start = why->len;
	uid_t number;

	if (s->proc.pid)
		persona_of(s->status.data, &who);
	number = who.uid;
	if (s->proc.pid)
		users_number(s->proc.pid, who.uid, &number);
	if (place_fixed(s)) {
		explain_fixed(&who, s->proc.pid, place_fixed(s), why, usable);
		return;
	}
	for (int i = 0; rundir_candidate(&env, i, number, &dir); i++) {
		if (!dir.path[0])
			continue;
		wrong = trouble(&who, s->proc.pid, &dir);
		if (!wrong) {
			buf_printf(usable, "%s%s", why->len > start ? "; " : "", dir.path);
			return;
		}
		buf_printf(why, "%s%s %s", why->len > start ? ", " : "", dir.path, wrong);
	}
}
