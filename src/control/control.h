/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's life: what the doorway calls. */
#ifndef MT_CONTROL_CONTROL_H
#define MT_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_VERSION "0.1.0"

/* From the constructor, on the host's thread, once the next allocator is known. Reads the
   environment and starts our thread. Never fails for the host: where we cannot start, it
   runs on without us. Keeps errno. */
void control_start(void);

/* At the end of the process, by exit or _exit (`quick`). Any of the host's threads, and a signal
   handler; only removes the socket. Keeps errno. */
void control_stop(bool quick);

/* Ends our thread, and what clients have connected with it; what is held stays. False where there was
   nothing to end: no thread, or not of this process (a vfork child). control_resume starts it
   again; where that is impossible, everything is taken back. Any of the host's threads; keep errno. */
bool control_pause(void);
void control_resume(void);

/* The same, but our thread is not to come back, so everything is taken back, before this returns. control_resume
   after all, where what it was for has failed. */
bool control_end(void);

/* The calling thread ends by the system call itself, past the C library: where it is the first one the process
   ends once no other goes on, which ours must not prevent. */
void control_thread_ends(void);

/* Around a call of setuid's family: see rights.h. Any of the host's threads; keep errno. */
bool control_rights_change(void);
void control_rights_changed(bool paused);

/* Is our thread running in this process? Any thread. */
bool control_is_active(void);

/* Is it to run? It does not between control_pause and control_resume. Any thread. */
bool control_is_wanted(void);

/* How often our thread has been ended or begun since: while it is odd, one of the host's threads is between the two. Any
   thread. */
unsigned control_changes(void);

/* The C API's commands, on the host's threads: 0, or -1 with errno set for mt_mem_alloc:
   ENOMEM, or EPERM while STOP exists. */
int control_mem_alloc(size_t size);
void control_mem_free(void);

/* The program's name as it was started: daemons write over their argv[0]. */
const char *control_program(void);

/* When our thread started. Our thread. */
uint64_t control_start_ns(void);

#endif
