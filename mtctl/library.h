/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the library lies that mtctl puts into programs. */
#ifndef MT_CTL_LIBRARY_H
#define MT_CTL_LIBRARY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define LIBRARY "libmtpreload.so"
#define LIBRARY_STEM "libmtpreload"

#define LIBRARY_WHY_MAX 8192

/* Its full path, fit for LD_PRELOAD. CTL_DONE, or a status and why. */
int library_find(char out[PATH_MAX], char why[LIBRARY_WHY_MAX]);

/* Is a file of this name, of so many bytes, the library? Packagers put a version behind: libmtpreload.so.0.1. */
bool library_is_named(const char *name, size_t length);

#endif
