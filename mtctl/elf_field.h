/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of ELF structures, whichever the class; for elf.c and elf_section.c. */
#ifndef MT_CTL_ELF_FIELD_H
#define MT_CTL_ELF_FIELD_H

#include <elf.h>

#include "mtctl/elf.h"

/* The two classes have the same fields in other places. */
#define FIELD(e, at, kind, name)                                                \
	((e)->wide ? (uint64_t)((const Elf64_##kind *)(const void *)(at))->name \
		   : (uint64_t)((const Elf32_##kind *)(const void *)(at))->name)
#define SIZE(e, kind) ((e)->wide ? sizeof(Elf64_##kind) : sizeof(Elf32_##kind))

/* Replaces `out` by this part of the file, with a NUL behind it. False where it has no such part. */
bool elf_piece(const struct elf *e, uint64_t offset, uint64_t length, struct buf *out);

#endif
