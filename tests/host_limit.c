/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits its own memory as soon as it runs: `host_limit as|data|memlock KIB` leaves it so much more than it has. Ends
   with its input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static rlim_t used_kib(const char *label)
{
	static char text[8192];
	FILE *status = fopen("/proc/self/status", "r");
	size_t n = status ? fread(text, 1, sizeof(text) - 1, status) : 0;
	const char *at;

	text[n] = '\0';
	if (status)
		fclose(status);
	at = strstr(text, label);
	return at ? strtoul(at + strlen(label), NULL, 10) : 0;
}

static const struct {
	const char *name, *label;
	int limit;
} limits[] = { { "as", "VmSize:", RLIMIT_AS },
	       { "data", "VmData:", RLIMIT_DATA },
	       { "memlock", "VmSize:", RLIMIT_MEMLOCK } };

int main(int argc, char **argv)
{
	rlim_t kib = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	char byte;

	for (size_t i = 0; argc > 2 && i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		if (strcmp(limits[i].name, argv[1]) != 0)
			continue;
		limit.rlim_cur = limit.rlim_max = (used_kib(limits[i].label) + kib) << 10;
		if (syscall(SYS_prlimit64, 0, limits[i].limit, &limit, NULL) < 0 ||
		    (limits[i].limit == RLIMIT_MEMLOCK && mlockall(MCL_CURRENT | MCL_FUTURE) < 0))
			return 1;
		puts("limited");
		fflush(stdout);
		while (read(0, &byte, 1) > 0)
			continue;
		return 0;
	}
	return 2;
}
