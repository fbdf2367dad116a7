/* SPDX-License-Identifier: BSD-2-Clause */
/* The kill switch: a file STOP in the socket's directory. While it exists nothing is injected, and what was
   injected when it appears is taken back. It is looked up when it matters; only while something is held, and for a
   second after that, is the directory watched, since a user may have no more than 128 inotify instances. Inside the gate, on our thread,
   unless it says otherwise. */
#ifndef MT_CONTROL_STOP_H
#define MT_CONTROL_STOP_H

#include <stdbool.h>
#include <stdint.h>


#define STOP_NAME "STOP"

/* The socket has been bound here: its directory is the one that counts. None for an abstract name. */
void stop_in_directory_of(const char *socket_path);

/* The file's path, if it exists now, or NULL. What is held is then being taken back. */
const char *stop_in_force(void);

/* At each turn of the loop: begins or ends the watch, and looks when it has to. `told`: stop_fd is readable. */
void stop_run(bool told);

/* To be waited for: -1, or a descriptor; CLOCK_NEVER, or when stop_run has to be called. */
int stop_fd(void);
uint64_t stop_next_ns(void);

/* Our thread ends, and its descriptors with it. */
void stop_end(void);

/* In a forked child, before it has a thread: the descriptors are the parent's. */
void stop_forget(void);

/* For the C API, on the host's threads, outside the gate. Does the file exist, as far as can be seen from there?
   May change errno. */
bool stop_refuses_host(void);

/* The same, after something was injected: does our thread have to be woken to begin its watch? */
bool stop_wants_watch(void);

#endif
