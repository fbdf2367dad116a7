/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of commands, as the library reads them and mtctl writes them. */
#ifndef MT_BASE_WORD_H
#define MT_BASE_WORD_H

#include <stddef.h>

/* How long the name is in "name=value", which has to be an identifier; 0: it is no such word. */
size_t word_name_length(const char *word);

#endif
