/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the auxiliary vector of a process: pairs of words of its own width. */
#include "secure.h"

#include <elf.h>
#include <string.h>

bool secure_is(const struct subject *s)
{
	size_t word = s->elf.fd >= 0 && !s->elf.wide ? 4 : 8;
	uint64_t pair[2];
	struct buf auxv = { 0 };
	bool secure = false;

	if (proc_file(s->proc.pid, "auxv", &auxv) == 0)
		for (size_t at = 0; at + 2 * word < auxv.len; at += 2 * word) {
			for (int i = 0; i < 2; i++) {
				const char *from = auxv.data + at + (size_t)i * word;
				uint32_t narrow;

				memcpy(&narrow, from, sizeof(narrow));
				pair[i] = narrow;
				if (word == sizeof(pair[i]))
					memcpy(&pair[i], from, sizeof(pair[i]));
			}
			if (pair[0] == AT_SECURE)
				secure = pair[1] != 0;
		}
	buf_free(&auxv);
	return secure;
}
