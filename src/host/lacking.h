/* SPDX-License-Identifier: BSD-2-Clause */
/* What an allocator lacks of the family is made of what it has, so that each block is the allocator's that the host's
   free leads to. malloc, calloc, realloc and free are there, or nothing works without us either. */
#ifndef MT_HOST_LACKING_H
#define MT_HOST_LACKING_H

#include "real.h"

/* `h` has what a search behind us finds. Replaces what comes from an object that the search comes to later than to the
   one with free. Keeps errno. */
void lacking_make(struct heap *h);

#endif
