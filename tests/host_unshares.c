/* SPDX-License-Identifier: BSD-2-Clause */
/* Once a line has come: gives itself a new umask and directory of its own (CLONE_FS) every 20 ms, until its input ends. */
#include <poll.h>
#include <sched.h>
#include <stdio.h>

int main(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };

	if (getchar() == EOF)
		return 2;
	do
		if (unshare(CLONE_FS) < 0)
			return 1;
	while (poll(&input, 1, 20) == 0);
	return 0;
}
