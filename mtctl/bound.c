/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket in the kernel's list of its network belongs to the thread that has its inode in its table. */
#include "bound.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "effort.h"
#include "inside.h"

#define INODE_COLUMN 6 /* from 0; the path follows */

static DIR *open_table(pid_t pid, pid_t thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", (int)pid, (int)thread);
	return opendir(path);
}

long bound_descriptors(pid_t pid, pid_t thread)
{
	DIR *table = open_table(pid, thread);
	struct dirent *entry;
	long count = 0;

	if (!table)
		return -1;
	while ((entry = readdir(table)))
		count += *entry->d_name != '.';
	closedir(table);
	return count;
}

/* The name in a line of that inode, which begins with `first`: a path, or an abstract one. NULL. */
static const char *name_in(const char *line, const char *end, unsigned long inode, char first)
{
	const char *at = line;
	char *behind;

	for (int i = 0; i < INODE_COLUMN; i++) {
		at += strspn(at, " ");
		at += strcspn(at, " \n");
	}
	at += strspn(at, " ");
	if (at >= end || strtoul(at, &behind, 10) != inode || behind + 1 >= end || behind[0] != ' ' || behind[1] != first)
		return NULL;
	return behind + 1;
}

/* A name with a newline in it forges lines, but takes none away: an inode with two names has none to be believed. */
static bool name_of_inode(const struct buf *list, unsigned long inode, char first, char *name, size_t cap)
{
	const char *line = list->data, *end, *at;
	unsigned found = 0;

	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		at = name_in(line, end, inode, first);
		if (at) {
			snprintf(name, cap, "%.*s", (int)(end - at), at);
			found++;
		}
	}
	return found == 1;
}

/* DIR/.NAME is bound, and DIR/NAME is what it is renamed to. */
static void undot(char *path)
{
	char *base = strrchr(path, '/') + 1;

	if (*base == '.')
		memmove(base, base + 1, strlen(base));
}

#define SOCKET "socket:["

static bool find_name(pid_t pid, pid_t thread, const struct buf *list, char first, char *name, size_t cap)
{
	DIR *table = open_table(pid, thread);
	struct dirent *entry;
	bool found = false;

	if (table)
		while (!found && (entry = readdir(table)) && !effort_is_over("/proc")) {
			char target[64];
			ssize_t n = readlinkat(dirfd(table), entry->d_name, target, sizeof(target) - 1);

			target[n > 0 ? n : 0] = '\0';
			found = strncmp(target, SOCKET, strlen(SOCKET)) == 0 &&
				name_of_inode(list, strtoul(target + strlen(SOCKET), NULL, 10), first, name, cap);
		}
	if (table)
		closedir(table);
	return found;
}

static bool find_path(pid_t pid, pid_t thread, const struct buf *list, char *path, size_t cap)
{
	if (!find_name(pid, thread, list, '/', path, cap))
		return false;
	undot(path);
	return true;
}

bool bound_path(pid_t pid, pid_t thread, char *path, size_t cap)
{
	struct buf list = { 0 };
	bool found = proc_file(pid, "net/unix", &list) == 0 && find_path(pid, thread, &list, path, cap);

	buf_free(&list);
	return found;
}

bool bound_abstract(pid_t pid, pid_t thread, char *name, size_t cap)
{
	struct buf list = { 0 };
	bool found = proc_file(pid, "net/unix", &list) == 0 && find_name(pid, thread, &list, '@', name, cap);

	buf_free(&list);
	return found;
}

/* A directory with a long path was bound in through the descriptor that the thread keeps of it. */
static int open_dir(pid_t pid, pid_t thread, const char *dir)
{
	static const char own[] = "/proc/thread-self/fd/";
	char through[64];

	if (strncmp(dir, own, strlen(own)) != 0)
		return inside_find(pid, dir, O_DIRECTORY);
	snprintf(through, sizeof(through), "/proc/%d/task/%d/fd/%ld", (int)pid, (int)thread,
		 strtol(dir + strlen(own), NULL, 10));
	return open(through, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A second process with the same $MTPRELOAD_SOCKET has .PID behind it. */
static void take_name(struct bound *b, int dir, const char *base, pid_t inner)
{
	struct stat st;
	int n = snprintf(b->name, sizeof(b->name), "%s.%d", base, (int)inner);

	if (rundir_pid(base) || n >= (int)sizeof(b->name) || fstatat(dir, b->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		snprintf(b->name, sizeof(b->name), "%s", base);
}

void bound_find(const struct proc *p, pid_t thread, struct bound *b)
{
	struct buf list = { 0 };
	char path[RUNDIR_PATH_MAX], *base;
	struct stat st;
	bool found;
	int dir;

	*b = (struct bound){ .unseen = (bound_descriptors(p->pid, thread) < 0 && errno != ENOENT) ||
				       proc_file(p->pid, "net/unix", &list) < 0 };
	found = !b->unseen && find_path(p->pid, thread, &list, path, sizeof(path));
	buf_free(&list);
	if (!found)
		return;
	base = strrchr(path, '/');
	*base++ = '\0';
	dir = open_dir(p->pid, thread, *path ? path : "/");
	if (dir < 0)
		return;
	if (fstat(dir, &st) == 0) {
		b->dev = st.st_dev;
		b->ino = st.st_ino;
		take_name(b, dir, base, p->inner);
	}
	close(dir);
}

bool bound_is(const struct bound *b, const struct stat *dir, const char *name)
{
	pid_t number = rundir_pid(name);

	if (!*b->name || dir->st_dev != b->dev || dir->st_ino != b->ino)
		return false;
	return number ? number == rundir_pid(b->name) : strcmp(name, b->name) == 0;
}
