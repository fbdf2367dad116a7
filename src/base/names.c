/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads directories for the sockets' names and for our thread's descriptors. */
#include "names.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

struct dirent64_head {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

void names_each(int dir_fd, bool (*each)(void *context, const char *name), void *context)
{
	_Alignas(struct dirent64_head) char entries[2048];
	long got;

	if (kernel_lseek(dir_fd, 0, SEEK_SET) < 0)
		return;
	while ((got = kernel_getdents64(dir_fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < got;) {
			struct dirent64_head *entry = (void *)(entries + at);

			if (!each(context, entry->name))
				return;
			at += entry->length;
		}
}
