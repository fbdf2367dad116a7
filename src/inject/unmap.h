/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings that cannot be unmapped yet. The kernel makes one of those that lie side by side, of several leaks too; to unmap
   a piece from its middle splits it, and where the process has all the mappings that it may have (vm.max_map_count) is refused.
   Such a piece waits here, with its first page at the most, until what lies around it is gone. */
#ifndef MT_INJECT_UNMAP_H
#define MT_INJECT_UNMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inject/gate.h"

/* True where it is unmapped; else it waits, and counts as used on. Any thread; `outside`: not inside the gate. */
bool unmap_or_keep(void *at, size_t size, bool outside);

/* Tries those that wait, as long as one or the other can be unmapped, and gives their bytes back to the budget. True when
   there is nothing more to be done for now. Inside the gate, on our thread. */
bool unmap_kept(struct slice *slice);

/* How many bytes wait. Inside the gate. */
uint64_t unmap_kept_bytes(void);

#endif
