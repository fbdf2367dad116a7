/* SPDX-License-Identifier: BSD-2-Clause */
/* host_chroot DIRECTORY: shuts itself up in an empty directory and gives its rights up before anything else,
   then waits for a line. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || chroot(argv[1]) || chdir("/") || setgid(65534) || setuid(65534)) {
		perror("chroot");
		return 1;
	}
	printf("in %s\n", access("/proc", F_OK) ? "an empty root" : "a full root");
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
