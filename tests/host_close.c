/* SPDX-License-Identifier: BSD-2-Clause */
/* Closes every descriptor but 0 and 1, as a daemon does, then waits for its end. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	if (getchar() == EOF)
		return 2;
	for (int fd = 2; fd < 1024; fd++)
		close(fd);
	printf("closed\n");
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
