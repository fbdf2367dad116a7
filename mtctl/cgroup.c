/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds control groups where distributions mount them. */
#include "cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

#define ROOT "/sys/fs/cgroup"

bool cgroup_file(const char *group, const char *file, char *out, unsigned cap)
{
	char path[PATH_MAX + 64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, out, cap - 1);
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The group and those above it, the mount's own included: in a container that is a group too. */
static bool climb(const char *root, const char *path, bool (*each)(void *context, const char *group), void *context)
{
	char group[PATH_MAX];
	size_t end = strlen(root);
	bool on = true;

	snprintf(group, sizeof(group), "%s%s", root, strcmp(path, "/") == 0 ? "" : path);
	while (on && strlen(group) >= end) {
		on = each(context, group);
		*strrchr(group, '/') = '\0';
	}
	return on;
}

/* "pids" in "cpu,pids"? */
static bool is_listed(const char *list, size_t length, const char *controller)
{
	size_t n = strlen(controller);

	for (const char *at = list; at < list + length; at += strcspn(at, ",:") + 1)
		if (strncmp(at, controller, n) == 0 && (at[n] == ',' || at[n] == ':'))
			return true;
	return false;
}

void cgroup_each(pid_t pid, const char *controller, bool (*each)(void *context, const char *group), void *context)
{
	struct buf file = { 0 };
	char *rest, *line, *list, *path, root[64];
	bool on = proc_file(pid, "cgroup", &file) == 0;

	/* ID:CONTROLLERS:PATH; version 2 has no controllers, and may lie beside version 1. */
	rest = on ? file.data : NULL;
	while (on && (line = strsep(&rest, "\n"))) {
		list = strchr(line, ':');
		path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		snprintf(root, sizeof(root), ROOT "/%s", controller);
		if (is_listed(list + 1, (size_t)(path - list - 1), controller))
			on = climb(root, path + 1, each, context);
		else if (path == list + 1)
			on = climb(ROOT, path + 1, each, context) && climb(ROOT "/unified", path + 1, each, context);
	}
	buf_free(&file);
}
