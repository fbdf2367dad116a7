/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes as commands and settings accept them: bytes, units, or a percentage of the memory. Opens files for the last,
   like system_headroom. Any thread. */
#ifndef MT_CONTROL_SIZE_H
#define MT_CONTROL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

/* What a refusal says is accepted. */
#define SIZE_FORMS UNITS_SIZE_FORMS ", or a share of the memory above 0% and up to 100%"

/* Bytes; a number without a unit of its own is scaled by `shift`. 0; -EINVAL (no size), -ERANGE (past 64 bits), -EDOM (more
   than 100%) or -ENODATA (a percentage, and no memory's size can be read); `*bytes` is set only on success. */
int size_parse(const char *text, int shift, uint64_t *bytes);

/* Does it end as a percentage does? */
bool size_is_percent(const char *text);

#endif
