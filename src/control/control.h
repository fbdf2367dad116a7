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
   handler; only has our thread remove the socket's name. Keeps errno. */
void control_stop(bool quick);

/* Ends our thread, and what clients have connected with it; what is held stays, and what they asked for goes on
   afterwards. False where there was nothing to end (no thread, or not of this process: a vfork child), or where it
   could not be ended: then the caller has a second thread as other programs have. control_resume starts it
   again; where that is impossible, everything is taken back. Any of the host's threads; keep errno. */
bool control_pause(void);
void control_resume(void);

/* Our thread, where it is to run and could not be started: a limit of threads may have been raised since. Where the host
   may start threads itself, and not within a tenth of a second again. Any of the host's threads; keeps errno. */
void control_begin_lacking(void);

/* As control_pause, but our thread is not to come back, so everything is taken back, before this returns; where our thread
   could not be ended at once, by itself as soon as it can. control_resume after all, where what it was for has failed. */
bool control_end(void);

/* The calling thread ends by the system call itself, past the C library: where it is the first one the process
   ends once no other goes on, which ours must not prevent. */
void control_thread_ends(void);

/* Around a call of setuid's family: see rights.h. Any of the host's threads; keep errno. */
bool control_rights_change(void);
void control_rights_changed(bool paused);

/* The calling thread has changed its own rights, and no other thread's: ours takes them over where it is the main
   thread, or that has ended. `unseen`: in a way that cannot be compared. Any of the host's threads; keep errno. */
void control_own_rights_changed(bool unseen);

/* Would it? A call of another thread is the process's in nothing: neither rights nor namespaces. */
bool control_follows_caller(void);

/* Is our thread running in this process? Any thread. */
bool control_is_active(void);

/* Is it to run? There may be none for a moment, or none could be started. Any thread. */
bool control_is_wanted(void);

/* The C API's commands, on the host's threads: 0, or -1 with errno set for mt_mem_alloc:
   ENOMEM, or EPERM while STOP exists. */
int control_mem_alloc(size_t size);
void control_mem_free(void);

/* The program's name as it was started: daemons write over their argv[0]. */
const char *control_program(void);

#endif
