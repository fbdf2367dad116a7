/* SPDX-License-Identifier: BSD-2-Clause */
#include "word.h"

#include <string.h>

size_t word_name_length(const char *word)
{
	size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz_");

	return word[length] == '=' ? length : 0;
}
