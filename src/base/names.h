/* SPDX-License-Identifier: BSD-2-Clause */
/* The names in an open directory, read with getdents64 itself, since opendir would take memory from the
   host's heap. Nothing here allocates. */
#ifndef MT_BASE_NAMES_H
#define MT_BASE_NAMES_H

#include <stdbool.h>

/* Calls `each` with every name in the directory, "." and ".." among them, until it returns false. `each` may
   remove the name. */
void names_each(int dir_fd, bool (*each)(void *context, const char *name), void *context);

#endif
