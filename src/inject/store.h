/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for our own records, inside the gate. Where a control group is at its limit and its OOM killer is off, the touch of
   a page blocks until somebody raises the limit. So pages are made present while nothing is half done, where a fork may
   pass. */
#ifndef MT_INJECT_STORE_H
#define MT_INJECT_STORE_H

#include <stddef.h>

#include "base/pool.h"

/* slab_get; the object's pages are there. A child that a fork makes meanwhile loses one object. */
void *store_get(struct slab *s);

/* Writes zeros to one byte of each page of a new part of our memory. */
void store_touch(void *at, size_t bytes);

#endif
