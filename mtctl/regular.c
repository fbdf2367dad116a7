/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a device may start something, opening a FIFO waits, and a path may be exchanged between a look and the
   opening. O_PATH opens nothing, and what it stands for cannot be exchanged any more. */
#include "regular.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int reopen(int seen)
{
	char path[32];
	struct stat st;
	int fd;

	if (fstat(seen, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", seen);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int regular_open(int seen)
{
	int fd = seen;

	if (seen >= 0) {
		fd = reopen(seen);
		close(seen);
	}
	return fd;
}
