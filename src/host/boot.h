/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for the moments before the next allocator is known, from a small static arena. */
#ifndef MT_HOST_BOOT_H
#define MT_HOST_BOOT_H

#include <stdbool.h>

/* Was the arena ever used? If so, free, realloc, reallocarray and malloc_usable_size keep the
   versions that know its blocks. The other slots of `dispatch` start here and leave. */
bool boot_used(void);

/* Is this a block of the arena? Such blocks are never given back. */
bool boot_owns(const void *at);

#endif
