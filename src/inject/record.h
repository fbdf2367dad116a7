/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the log, from inside the gate. */
#ifndef MT_INJECT_RECORD_H
#define MT_INJECT_RECORD_H

/* Our thread. Writes a line (log_line) outside the gate, where nobody waits for a file system. So others may have been
   inside meanwhile, as between two slices; the arguments are read before. */
void record_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
