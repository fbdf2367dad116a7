/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and times as people write them, and back. Any thread; nothing is allocated and
   errno is left alone. */
#ifndef MT_BASE_UNITS_H
#define MT_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* What a refusal says is accepted. */
#define UNITS_ACCEPTED "b|k|m|g|t"
#define UNITS_SIZE_FORMS "a whole number of bytes, or with a unit as in 10k, 1.5g, 64KiB, 1Gi"
#define UNITS_TIME_FORMS "whole milliseconds, or with a unit as in 250ms, 1.5s, 10m, 2h"

/* The shift that a unit word stands for: b 0, k 10, m 20, g 30, t 40. As in the
   specification's original only the first letter counts, in either case.
   -1 when the word is no unit. */
int units_shift(const char *word);

/* A size in bytes. A number without a unit of its own is scaled by `shift`. A fraction is
   taken where the unit is larger than a byte, and rounded down to whole bytes.
   0, -EINVAL (not a size) or -ERANGE (past 64 bits); `*bytes` is set only on success. */
int units_parse_size(const char *text, int shift, uint64_t *bytes);

/* A percentage above 0 and up to 100, as in "25%" or "12.5%", in millionths of a percent. 0, -EINVAL (none) or -EDOM (more);
   set only on success. */
#define UNITS_PERCENT UINT64_C(1000000)
int units_parse_percent(const char *text, uint64_t *millionths);

/* A time in milliseconds: units ms, s, m, h; none means ms. Results as above. */
int units_parse_ms(const char *text, uint64_t *ms);

/* A plain decimal number. Results as above. */
int units_parse_number(const char *text, uint64_t *number);

#define UNITS_TEXT_MAX 32

/* For people: "512b", "10k", "1.5g", rounded down to one decimal place.
   Writes into and returns `out`. */
char *units_bytes(uint64_t bytes, char out[UNITS_TEXT_MAX]);

#endif
