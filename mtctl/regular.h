/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that somebody else has named: only regular ones are opened. */
#ifndef MT_CTL_REGULAR_H
#define MT_CTL_REGULAR_H

/* Opens what `seen` stands for, a descriptor of O_PATH, for reading. `seen` is closed; where it is -errno, that
   is returned. A descriptor, or -errno: -EISDIR, -EACCES where it is neither a file nor a directory. */
int regular_open(int seen);

#endif
