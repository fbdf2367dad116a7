/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks into other roots without being led out of them by a link. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY ((uid_t)-2)

/* The kernel's (openat2(2)); its headers are not there for every C library. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define RESOLVE_INSIDE 0x10 /* RESOLVE_IN_ROOT */
struct how_to_open {
	uint64_t flags, mode, resolve;
};

int inside_find(pid_t pid, const char *path, int flags)
{
	struct how_to_open how = { .flags = (unsigned)flags | O_PATH | O_CLOEXEC, .resolve = RESOLVE_INSIDE };
	char through[PATH_MAX + 64];
	int root, fd;

	if (!pid) {
		fd = open(path, flags | O_PATH | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	snprintf(through, sizeof(through), "/proc/%d/root", (int)pid);
	root = open(through, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && errno == ENOENT) /* its first thread has ended */
		return inside_find(0, path, flags);
	if (root < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(root);
	if (fd == -ENOSYS) {
		snprintf(through, sizeof(through), "/proc/%d/root%s", (int)pid, path);
		fd = open(through, flags | O_PATH | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return fd;
}

int inside_stat(pid_t pid, const char *path, struct stat *st)
{
	int fd = inside_find(pid, path, 0), rc;

	if (fd < 0)
		return fd;
	rc = fstat(fd, st) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

void persona_other(struct persona *who)
{
	*who = (struct persona){ .uid = NOBODY };
}

void persona_of(const char *status, struct persona *who)
{
	const char *at = strstr(status, "\nUid:\t");
	char *end;

	persona_other(who);
	if (at) /* real, effective, saved, and that of the file system */
		for (int i = 0; i < 4; i++, at = end)
			who->uid = (uid_t)strtoul(i ? at : at + 6, &end, 10);
	at = strstr(status, "\nGid:\t");
	if (at) {
		for (int i = 0; i < 4; i++, at = end)
			who->groups[0] = (gid_t)strtoul(i ? at : at + 6, &end, 10);
		who->group_count = 1;
	}
	at = strstr(status, "\nGroups:\t");
	for (at = at ? at + 9 : ""; *at && *at != '\n' && who->group_count < INSIDE_GROUPS_MAX;
	     at = end + (*end == ' ')) {
		gid_t group = (gid_t)strtoul(at, &end, 10);

		if (end == at)
			break;
		who->groups[who->group_count++] = group;
	}
}

bool persona_may(const struct persona *who, const struct stat *st, unsigned what)
{
	unsigned shift = 0;

	if (who->uid == 0)
		return true;
	for (unsigned i = 0; i < who->group_count; i++)
		if (st->st_gid == who->groups[i])
			shift = 3;
	if (st->st_uid == who->uid)
		shift = 6;
	return (st->st_mode >> shift & what) == what;
}

bool persona_is_kept_from(const struct persona *who, pid_t pid, const char *path, char *part,
			  size_t cap)
{
	const char *slash = path;
	struct stat st;

	while ((slash = strchr(slash + 1, '/'))) {
		snprintf(part, cap, "%.*s", (int)(slash - path), path);
		if (inside_stat(pid, part, &st) == 0 && !persona_may(who, &st, 1))
			return true;
	}
	snprintf(part, cap, "%s", path);
	return inside_stat(pid, part, &st) == 0 && !persona_may(who, &st, 4);
}
