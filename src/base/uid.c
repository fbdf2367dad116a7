/* SPDX-License-Identifier: BSD-2-Clause */
/* As a rule /proc tells that every uid has a number. Elsewhere fcntl's F_GETOWNER_UIDS alone tells a user without a
   number (-1) from the one whose number is the overflow uid. It is asked second, since valgrind, which does not know it,
   says so on the host's stderr. */
#include "uid.h"

#include <stdint.h>
#include <stdlib.h>

#include "kernel.h"

#define OVERFLOW_UID ((uid_t)65534)
#define UIDS_MAX UINT32_MAX /* how many there are; -1 is none */
#define NO_NUMBER ((uid_t)-1)

#define GET_OWNER_UIDS 17 /* F_GETOWNER_UIDS, which the C libraries do not name */

/* "INSIDE OUTSIDE COUNT" a line. */
static bool all_are_mapped(void)
{
	char map[1024], *at = map;
	uint64_t mapped = 0;
	int fd = kernel_open("/proc/thread-self/uid_map", O_RDONLY | O_CLOEXEC, 0);
	ssize_t got = fd < 0 ? -1 : kernel_read(fd, map, sizeof(map) - 1);

	if (fd >= 0)
		kernel_close(fd);
	map[got > 0 ? got : 0] = '\0';
	for (int column = 0; *at; column++) {
		char *end;
		uint64_t number = strtoull(at, &end, 10);

		if (end == at)
			break;
		mapped += column % 3 == 2 ? number : 0;
		at = end;
	}
	return mapped >= UIDS_MAX;
}

/* The kernel notes with a descriptor who has asked for its signals. */
static bool read_numbers(uid_t numbers[2])
{
	int fd = kernel_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool read;

	if (fd < 0)
		return false;
	read = kernel_fcntl(fd, F_SETOWN, kernel_pid()) == 0 && kernel_fcntl(fd, GET_OWNER_UIDS, (long)numbers) == 0;
	kernel_close(fd);
	return read;
}

bool uid_is_one_user_s(uid_t uid)
{
	return uid != OVERFLOW_UID || all_are_mapped();
}

bool uid_has_number(void)
{
	uid_t numbers[2] = { NO_NUMBER, NO_NUMBER };

	if (all_are_mapped())
		return true;
	if (read_numbers(numbers))
		return numbers[0] != NO_NUMBER && numbers[1] != NO_NUMBER;
	return kernel_uid() != OVERFLOW_UID && kernel_euid() != OVERFLOW_UID;
}

bool uid_is_ours(uid_t owner)
{
	return owner == kernel_euid() && uid_is_one_user_s(owner);
}
