/* SPDX-License-Identifier: BSD-2-Clause */
/* Characters in UTF-8 (RFC 3629), and which of them a terminal shows instead of obeying or hiding. Any thread. */
#ifndef MT_BASE_UTF8_H
#define MT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length of the well-formed character at `s`, of which there are `left` bytes (at least one); 0 where there is
   none. */
size_t utf8_length(const char *s, size_t left);

/* The code point of the well-formed character of `length` bytes at `s`. */
uint32_t utf8_code(const char *s, size_t length);

/* False for what a terminal or a log may obey, and for what neither shows: C0, DEL, C1, the two separators of lines,
   controls of the direction of writing, and what is ignorable. These make a text look like another one. Ignorable is
   Unicode 15.1's Default_Ignorable_Code_Point (unicode.org/Public/15.1.0/ucd/DerivedCoreProperties.txt). */
bool utf8_is_plain(uint32_t code);

#endif
