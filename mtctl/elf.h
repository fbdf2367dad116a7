/* SPDX-License-Identifier: BSD-2-Clause */
/* What an ELF file says about how it is loaded: by whom, for which machine, with which C library.
   Both classes are read, in this machine's byte order; nothing in a file is believed. */
#ifndef MT_CTL_ELF_H
#define MT_CTL_ELF_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct elf {
	int fd; /* -1: not open */
	uint64_t size;
	bool wide;              /* 64 bit */
	bool foreign_order;     /* the other byte order: nothing below is known but the machine */
	uint16_t machine, type; /* EM_, ET_ */
	char interpreter[PATH_MAX]; /* "": none, it loads nothing */
	bool dynamic;               /* has a dynamic section */
	uint64_t sections;          /* where the headers of the sections lie */
	unsigned section_count;
};

#define ELF_CLOSED { .fd = -1 }

/* Takes a descriptor of O_PATH, or -errno (inside_find). 0, -ENOEXEC where it is no ELF file (or a damaged one), or
   -errno. */
int elf_open(struct elf *e, int seen);
void elf_close(struct elf *e);

/* "x86-64", "ARM 64", or "machine N". Valid until the next call. */
const char *elf_machine(const struct elf *e);

/* Calls `each` with every version, as GLIBC_2.34, that the file needs of the library `of`, or (with
   `of` NULL) that it defines. False where that could not be read. */
bool elf_each_version(const struct elf *e, const char *of,
		      void (*each)(void *context, const char *version), void *context);

/* Does it name this library as one that it needs (DT_NEEDED)? */
bool elf_needs(const struct elf *e, const char *library);

/* Does it hold a function of this name, seen from elsewhere or not? */
bool elf_defines(const struct elf *e, const char *function);

#endif
