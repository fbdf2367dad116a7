/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses up all its descriptors, prints how many it got and what the next one said, and waits; then lowers the limit to
   nothing and waits again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
	struct rlimit limit = { 40, 4096 };
	int got = 0;

	setrlimit(RLIMIT_NOFILE, &limit);
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		got++;
	printf("%d more, then: %s\n", got, strerror(errno));
	fflush(stdout);
	if (getchar() == EOF)
		return 2;
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &limit);
	printf("limit 0\n");
	fflush(stdout);
	return getchar() == EOF ? 0 : 3;
}
