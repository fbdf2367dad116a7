/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's name: bound late by our thread, removed by whichever thread ends the process. */
#ifndef MT_CONTROL_SOCKET_H
#define MT_CONTROL_SOCKET_H

#include <stdbool.h>

/* Reads $MTPRELOAD_DIR and the like. Host's thread, once. */
void socket_read_environment(void);

/* Binds and listens in the first usable directory. The name appears only once connections are
   accepted. A descriptor, or -errno with nothing left behind. Our thread. */
int socket_open(void);

/* Removes the name, if this process is the one that bound it, and then an empty directory of
   our own. Any thread, also in a signal handler or a vfork child; keeps errno. Nothing is bound
   afterwards. With `prune` the names of dead processes go too (2 KiB more of stack). */
void socket_remove(bool prune);

/* Removes the name while the process goes on; it may be bound again. Our thread. */
void socket_withdraw(void);

/* Before the thread starts: in the first process, and in each forked child, where the name is the
   parent's. */
void socket_begin(bool forked);

/* The path in use, or "". Our thread. */
const char *socket_path(void);

#endif
