/* SPDX-License-Identifier: BSD-2-Clause */
/* How results look to people: kamcmd's layout. Keys are snake_case everywhere; only those that the
   specification spells otherwise ("run time (s)") are shown in its spelling. Shared by the text
   format and mtctl. */
#ifndef MT_BASE_LABEL_H
#define MT_BASE_LABEL_H

#include "base/buf.h"

/* The key as it is shown: itself, or the specification's spelling. */
const char *label_of(const char *key);

/* Appends what stands before a member's value: one tab a level, the label in 13 columns, ": ". */
void label_member(struct buf *b, unsigned depth, const char *key);

/* Appends somebody else's text as one line: what a terminal could obey or hide (utf8_is_plain) and bytes that are no UTF-8
   become '?'. */
void label_line(struct buf *b, const char *text);

/* The same for several lines: newlines and tabs stay. */
void label_page(struct buf *b, const char *text, size_t len);

#endif
