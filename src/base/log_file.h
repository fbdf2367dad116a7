/* SPDX-License-Identifier: BSD-2-Clause */
/* Which file may be a log. Our thread only: its descriptors lie in our private table. */
#ifndef MT_BASE_LOG_FILE_H
#define MT_BASE_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_WHY_MAX 200

/* For people: what log_file_open takes, beside nothing at all. */
#define LOG_FILE_FORMS "an absolute path without links, to a regular file of this process's user with no other name, or to a new file"

/* Opens it for appending; a new one has mode 0600. The descriptor; or -errno, with the reason in words. It may block as
   long as the file system does. */
int log_file_open(const char *path, char why[LOG_WHY_MAX]);

/* May it be written still? Its owner is one of the process's uids. */
bool log_file_is_ours(int fd);

#endif
