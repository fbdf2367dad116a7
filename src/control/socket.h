/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket's name: bound late by our thread, looked after and removed by it. */
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

/* The process ends: nothing is bound any more. True where our thread has a name to remove, which it does in socket_remove;
   socket_has_left tells that it has. With `prune` the names of dead processes go too. Any thread of the process, also in a
   signal handler: it touches no file, since a file system may be frozen. */
bool socket_leave(bool prune);
bool socket_has_left(void);

/* Removes a name that is to leave, and then an empty directory of our own. Our thread, outside the gate, whenever it has
   been woken. */
void socket_remove(void);

/* Removes the name while the process goes on; it may be bound again. Our thread. */
void socket_withdraw(void);

/* Before the thread starts: in the first process, and in each forked child, where the name is the
   parent's. */
void socket_begin(bool forked);

/* The path in use, or "". Our thread. */
const char *socket_path(void);

#endif
