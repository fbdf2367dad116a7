/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads /proc/meminfo and the control group files, without stdio and without memory. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/kernel.h"
#include "inject/gate.h"

/* Of a file, on the stack of any of the host's threads, one at a time. */
#define TEXT_MAX 4096

static int read_file_here(const char *path, char *text, size_t cap)
{
	int fd = kernel_open(path, O_RDONLY | O_CLOEXEC, 0);
	size_t len = 0;
	ssize_t got;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len < cap - 1 && (got = kernel_read(fd, text + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	kernel_close(fd);
	return 0;
}

/* In a container a file of these may be served by another process (lxcfs), which may hang. */
static int read_file(const char *path, char *text, size_t cap)
{
	bool was_inside = gate_step_out();
	int rc = read_file_here(path, text, cap);

	gate_step_in(was_inside);
	return rc;
}

/* The number behind `key` at the start of a line; 0 where there is none. */
static uint64_t number_after(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0)
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

uint64_t system_field(const char *path, const char *key)
{
	char text[TEXT_MAX];

	return read_file(path, text, sizeof(text)) < 0 ? 0 : number_after(text, key);
}

uint64_t system_spare(const struct headroom *h, unsigned keep_percent)
{
	uint64_t keep = h->total_bytes / 100 * keep_percent;

	return h->available_bytes > keep ? h->available_bytes - keep : 0;
}

static uint64_t total_of(const struct headroom *h, unsigned unused)
{
	(void)unused;
	return h->total_bytes;
}

/* What is looked for: of which the measure is least. */
struct search {
	uint64_t (*measure)(const struct headroom *h, unsigned keep_percent);
	unsigned keep_percent;
	struct headroom *tightest;
};

static void consider(const struct search *s, const struct headroom *h)
{
	if (s->measure(h, s->keep_percent) < s->measure(s->tightest, s->keep_percent))
		*s->tightest = *h;
}

/* The names of one cgroup version's files and keys. */
struct cgroup_files {
	const char *root, *limit, *usage, *active, *inactive;
};

static const struct cgroup_files version1 = {
	"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	"total_active_file ", "total_inactive_file "
};
static const struct cgroup_files version2 = { "/sys/fs/cgroup", "memory.max", "memory.current",
					      "active_file ", "inactive_file " };

/* False where the group has no limit, or no such files. */
static bool read_group(const struct cgroup_files *f, const char *group, struct headroom *h)
{
	char text[TEXT_MAX], path[SYSTEM_PLACE_MAX + 128];
	uint64_t used, cache;

	snprintf(path, sizeof(path), "%s%s/%s", f->root, group, f->limit);
	if (read_file(path, text, sizeof(text)) < 0 || strncmp(text, "max", 3) == 0)
		return false;
	h->total_bytes = strtoull(text, NULL, 10);
	/* Version 1 writes "no limit" as the largest multiple of a page. */
	if (h->total_bytes >= (uint64_t)1 << 60)
		return false;
	snprintf(path, sizeof(path), "%s%s/%s", f->root, group, f->usage);
	if (read_file(path, text, sizeof(text)) < 0)
		return false;
	used = strtoull(text, NULL, 10);
	snprintf(path, sizeof(path), "%s%s/memory.stat", f->root, group);
	read_file(path, text, sizeof(text)); /* without it, no cache is known of */
	cache = number_after(text, f->active) + number_after(text, f->inactive);
	used -= cache < used ? cache : used;
	h->available_bytes = h->total_bytes > used ? h->total_bytes - used : 0;
	snprintf(h->place, sizeof(h->place), "cgroup %s", *group ? group : "/");
	return true;
}

/* The group and all its ancestors, the root included (which in a container is a group too). */
static void consider_groups(const struct search *s, const struct cgroup_files *f, char *group)
{
	struct headroom h;
	char *slash;

	for (;;) {
		if (strcmp(group, "/") == 0)
			*group = '\0';
		if (read_group(f, group, &h))
			consider(s, &h);
		slash = strrchr(group, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* The process's groups for memory, by version; empty where it has none. */
struct groups {
	char version1[SYSTEM_PLACE_MAX], version2[SYSTEM_PLACE_MAX];
};

/* Lines of /proc/self/cgroup are ID:CONTROLLERS:PATH; version 2 has no controllers. */
static void find_groups(struct groups *g)
{
	char text[TEXT_MAX];
	char *line, *next, *controllers, *path;

	*g = (struct groups){ 0 };
	if (read_file("/proc/self/cgroup", text, sizeof(text)) < 0)
		return;
	for (line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		controllers = strchr(line, ':');
		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path || strlen(path + 1) >= SYSTEM_PLACE_MAX)
			continue;
		*path++ = '\0';
		if (controllers[1] == '\0')
			strcpy(g->version2, path);
		else if (strstr(controllers, "memory"))
			strcpy(g->version1, path);
	}
}

static int read_machine(struct headroom *h)
{
	char text[TEXT_MAX];
	int rc = read_file("/proc/meminfo", text, sizeof(text));

	if (rc == 0)
		*h = (struct headroom){
			.total_bytes = number_after(text, "MemTotal:") * 1024,
			.available_bytes = number_after(text, "MemAvailable:") * 1024,
			.place = "the machine",
		};
	return rc;
}

static int find_tightest(const struct search *s)
{
	int saved = errno, rc = read_machine(s->tightest);
	struct groups groups;

	if (rc == 0) {
		find_groups(&groups);
		if (groups.version1[0])
			consider_groups(s, &version1, groups.version1);
		if (groups.version2[0])
			consider_groups(s, &version2, groups.version2);
	}
	errno = saved;
	return rc;
}

int system_headroom(unsigned keep_percent, struct headroom *tightest)
{
	return find_tightest(&(struct search){ system_spare, keep_percent, tightest });
}

int system_memory(struct headroom *smallest)
{
	return find_tightest(&(struct search){ total_of, 0, smallest });
}

/* statm has pages: of the address space, then resident ones. */
uint64_t system_resident(void)
{
	char text[128];
	const char *resident;

	if (read_file("/proc/self/statm", text, sizeof(text)) < 0)
		return 0;
	resident = strchr(text, ' ');
	return resident ? strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
