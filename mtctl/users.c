/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads uid_map, whose second column the kernel writes in the reader's numbers, but for a reader in the same namespace. */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"

static bool read_space(const char *pid, char space[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	n = readlink(path, space, 63);
	space[n > 0 ? n : 0] = '\0';
	return n > 0;
}

bool users_are_others(pid_t pid)
{
	char text[16], ours[64], theirs[64];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return read_space("self", ours) && read_space(text, theirs) && strcmp(ours, theirs) != 0;
}

bool users_number(pid_t pid, uid_t uid, uid_t *number)
{
	struct buf map = { 0 };
	bool found = false;
	char *at;

	*number = uid;
	if (!users_are_others(pid))
		return true;
	if (proc_file(pid, "uid_map", &map) == 0)
		for (at = map.data; *at && !found;) {
			unsigned long line[3] = { 0 };

			for (int i = 0; i < 3; i++)
				line[i] = strtoul(at, &at, 10);
			at += strcspn(at, "\n");
			at += *at == '\n';
			found = uid >= line[1] && uid - line[1] < line[2];
			if (found)
				*number = (uid_t)(line[0] + (uid - line[1]));
		}
	buf_free(&map);
	return found;
}
