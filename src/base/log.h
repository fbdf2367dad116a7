/* SPDX-License-Identifier: BSD-2-Clause */
/* The log, off until a path is given. Our thread only, unless it says otherwise: the file's descriptor lies in our private
   table. Opening and writing may block as long as the file system does, so neither is done inside the gate:
   inject/record.h writes from there. */
#ifndef MT_BASE_LOG_H
#define MT_BASE_LOG_H

#include <stdarg.h>

#include "base/log_file.h"

#define LOG_PATH_MAX 256

/* The path that is to be opened at first: of less than LOG_PATH_MAX bytes. The host's thread, at the start. */
void log_want(const char *path);

/* Opens `path` (log_file_open) in place of what was open; an empty path closes. 0; or -errno, with the reason in words: then
   what was open stays. */
int log_open(const char *path, char why[LOG_WHY_MAX]);

/* Of the log, or of the wanted one; empty where there is none. */
const char *log_path(void);

/* Forgets the open file without closing its number: after fork, where it is another table's. */
void log_forget(void);

/* One line: UTC time, pid, the text, as quote_line tells it. Nothing where no file is open. A file that has become
   somebody else's, since the process has given up its user, is closed instead. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_line_of(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

/* Why it was closed; NULL where it was not. */
const char *log_complaint(void);

#endif
