/* SPDX-License-Identifier: BSD-2-Clause */
/* Foreign text in a log: what is no plain character is told byte by byte, so that a line is a line. Any thread. */
#ifndef MT_BASE_QUOTE_H
#define MT_BASE_QUOTE_H

#include <stddef.h>

/* Copies `text`, with \xNN for each byte of what a terminal or a reader of logs could obey (utf8_is_plain) and of what is
   no UTF-8. Ends before the first character for which there is no room. The length. */
size_t quote_line(char *out, size_t cap, const char *text);

/* So many bytes of a word are shown; "..." stands for the rest. */
#define QUOTE_WORD_SHOWN 100
#define QUOTE_WORD_MAX (4 * QUOTE_WORD_SHOWN + 6)

/* One word of a list: as it is, where it has letters, digits and -._/=:%+,@~ only; else in double quotes, with a
   backslash before each quote and backslash in it. The length. */
size_t quote_word(char out[QUOTE_WORD_MAX], const char *text);

#endif
