/* SPDX-License-Identifier: BSD-2-Clause */
/* The log file, off until a path is given. Our thread only: the file's descriptor lives in
   our private table. */
#ifndef MT_BASE_LOG_H
#define MT_BASE_LOG_H

/* Opens `path` for appending (created with mode 0600) in place of what was open; an empty path
   closes. 0 or -errno, on which the old file stays. */
int log_open(const char *path);

/* Forgets the open file without closing its number: after fork, where it is another table's. */
void log_forget(void);

/* One line: UTC time, pid, the text. Nothing where no file is open. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
