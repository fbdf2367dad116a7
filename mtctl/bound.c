/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket in the kernel's list of its network belongs to the thread that has its inode in its table. */
#include "bound.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

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

static bool path_of_inode(const struct buf *list, unsigned long inode, char *path, size_t cap)
{
	const char *line = list->data, *end;
	bool found = false;

	for (; !found && (end = strchr(line, '\n')); line = end + 1) {
		const char *at = line;

		for (int i = 0; i < INODE_COLUMN; i++) {
			at += strspn(at, " ");
			at += strcspn(at, " \n");
		}
		found = strtoul(at, (char **)&at, 10) == inode && at[0] == ' ' && at[1] == '/';
		if (found)
			snprintf(path, cap, "%.*s", (int)(end - at - 1), at + 1);
	}
	return found;
}

/* DIR/.NAME is bound, and DIR/NAME is what it is renamed to. */
static void undot(char *path)
{
	char *base = strrchr(path, '/') + 1;

	if (*base == '.')
		memmove(base, base + 1, strlen(base));
}

#define SOCKET "socket:["

bool bound_path(pid_t pid, pid_t thread, char *path, size_t cap)
{
	struct buf list = { 0 };
	DIR *table = open_table(pid, thread);
	struct dirent *entry;
	bool found = false;

	if (table && proc_file(pid, "net/unix", &list) == 0)
		while (!found && (entry = readdir(table))) {
			char target[64];
			ssize_t n = readlinkat(dirfd(table), entry->d_name, target, sizeof(target) - 1);

			target[n > 0 ? n : 0] = '\0';
			found = strncmp(target, SOCKET, strlen(SOCKET)) == 0 &&
				path_of_inode(&list, strtoul(target + strlen(SOCKET), NULL, 10), path, cap);
		}
	if (table)
		closedir(table);
	buf_free(&list);
	if (found)
		undot(path);
	return found;
}
