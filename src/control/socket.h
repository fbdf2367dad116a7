/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's name: bound late by our thread, looked after by it, removed by whichever thread ends the process. */
#ifndef MT_CONTROL_SOCKET_H
#define MT_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Reads $MTPRELOAD_DIR and the like. Host's thread, once. */
void socket_read_environment(void);

/* Binds and listens in the first usable directory. The name appears only once connections are
   accepted. A descriptor, or -errno with nothing left behind. Our thread. */
int socket_open(void);

/* Has somebody removed the name, or its directory? Then nothing is bound any more, and socket_open binds again. Called at
   each turn of the loop; looks when it has to. Our thread. */
bool socket_is_lost(void);

/* When socket_is_lost has to be called at the latest; CLOCK_NEVER. And: what woke our thread may be news of the
   directory, for which it is asked next. */
uint64_t socket_next_ns(void);
void socket_told(void);

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
