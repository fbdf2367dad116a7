/* SPDX-License-Identifier: BSD-2-Clause */
/* How results look to people: kamcmd's layout. Keys travel in snake_case ("run_time_s") and
   are shown as labels ("run time (s)"). Shared by the text format and mtctl. */
#ifndef MT_BASE_LABEL_H
#define MT_BASE_LABEL_H

#include "base/buf.h"

#define LABEL_MAX 64

/* "id" is ID; a unit at the end (_s, _ms) goes into parentheses; other underscores are blanks. */
char *label_from_key(const char *key, char label[LABEL_MAX]);

/* Appends what stands before a member's value: one tab a level, the label in 13 columns, ": ". */
void label_member(struct buf *b, unsigned depth, const char *key);

/* Appends a string as one line: bytes that would break it become '?'. */
void label_line(struct buf *b, const char *text);

#endif
