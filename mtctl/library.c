/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the library: where it was built, or where it was installed. */
#include "library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define INSTALLED "../lib/mtpreload/" LIBRARY

/* The path of a readable file in the directory of mtctl itself. */
static bool beside(const char *tail, char out[PATH_MAX])
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/%s", self, tail);
	return realpath(path, out) && access(out, R_OK) == 0;
}

int library_find(char out[PATH_MAX], char why[LIBRARY_WHY_MAX])
{
	const char *given = getenv("MTPRELOAD_LIB");

	out[0] = '\0';
	if (given && *given) {
		if (!realpath(given, out) || access(out, R_OK) < 0) {
			snprintf(why, LIBRARY_WHY_MAX, "MTPRELOAD_LIB=%s: %s", given, strerror(errno));
			return CTL_UNREACHABLE;
		}
	} else if (!beside(LIBRARY, out) && !beside(INSTALLED, out)) {
		snprintf(why, LIBRARY_WHY_MAX,
			 LIBRARY " is neither beside mtctl nor in " INSTALLED
				 " from there (MTPRELOAD_LIB=PATH names it)");
		return CTL_UNREACHABLE;
	}
	if (out[strcspn(out, ": \t\n")]) {
		snprintf(why, LIBRARY_WHY_MAX,
			 "LD_PRELOAD cannot hold '%s', which has a blank or a colon in it "
			 "(MTPRELOAD_LIB=PATH names a copy elsewhere)",
			 out);
		return CTL_USAGE;
	}
	return CTL_DONE;
}

bool library_is_named(const char *name, size_t length)
{
	const size_t stem = strlen(LIBRARY_STEM);

	return length > stem && memcmp(name, LIBRARY_STEM, stem) == 0 && !memchr(name, '/', length) &&
	       memmem(name + stem, length - stem, ".so", 3);
}
