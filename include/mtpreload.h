/* SPDX-License-Identifier: BSD-2-Clause */
/* mtpreload.h: for a program that wants to inject into itself.

   The functions live in libmtpreload.so, which is preloaded, not linked:

       cc -o host host.c
       LD_PRELOAD=/usr/lib/mtpreload/libmtpreload.so ./host

   All are weak references: the same program builds and runs without the library, where their
   addresses are null. Ask mt_is_here first; everything else may be called only then.

       if (mt_is_here())
               mt_mem_alloc(1048576);

   All functions are thread-safe and may be called from any thread, but not from a signal
   handler. They may not be called in a child of vfork. */
#ifndef MTPRELOAD_H
#define MTPRELOAD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MT_WEAK __attribute__((weak))
#else
#error "mtpreload.h needs weak symbols (gcc or clang)"
#endif

/* Leaks `size` bytes: allocates them in the calling thread's heap with the host's allocator, makes
   them resident (settings touch, check_content) and keeps them until mt_mem_free, mt.mem_free or
   mt.reset. The library owns the memory; the caller gets no pointer. Takes as long as
   touching the pages does. 0 on success; -1 with errno ENOMEM where the allocator, max_bytes
   or min_available_percent refuses, EPERM while a file STOP exists in the socket's directory. (Specification: mt_mem_alloc(size).) */
int mt_mem_alloc(size_t size) MT_WEAK;

/* Frees all memory that mt_mem_alloc, mt.mem_alloc and mt.mem_rnd_alloc had allocated when it was
   called; timed tests keep theirs. Never fails, keeps errno. (Specification: mt_mem_free().) */
void mt_mem_free(void) MT_WEAK;

/* Bytes held by all injection, timed tests included; what is only pending (where=host) is not. */
unsigned long long mt_mem_used(void) MT_WEAK;

/* The library's version, "0.1.0": a string that lives as long as the process. */
const char *mt_version(void) MT_WEAK;

/* Is its thread running in this process, so that it obeys commands? 0 in a setuid program,
   and where threads or private descriptor tables are refused; the functions above work there. */
int mt_is_active(void) MT_WEAK;

/* Was the library loaded into this process? */
static inline int mt_is_here(void)
{
	return mt_version != NULL;
}

#ifdef __cplusplus
}
#endif

#endif
