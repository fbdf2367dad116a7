/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the moments before the next allocator is known, from a small static arena. */
#ifndef MT_HOST_BOOT_H
#define MT_HOST_BOOT_H

#include <stdbool.h>
#include <stddef.h>

/* What `dispatch` begins with. Each goes on to the next allocator, once that is known, and needs no ordering by its
   caller. Any thread, at any time. */
void *boot_malloc(size_t size);
void *boot_calloc(size_t count, size_t size);
void *boot_realloc(void *at, size_t size);

/* Was the arena ever used? If so, free, realloc, reallocarray and malloc_usable_size keep the
   versions that know its blocks. The other slots of `dispatch` start here and leave. */
bool boot_used(void);

/* Is this a block of the arena? Such blocks are never given back. */
bool boot_owns(const void *at);

#endif
