/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the headers of ELF files, by pread: a mapped file that somebody cuts meanwhile would kill us.
   Each piece is checked against the file's size, and each offset in it against the piece. */
#include "elf_field.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "regular.h"

#define PIECE_MAX ((uint64_t)256 << 20)

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OUR_ORDER ELFDATA2LSB
#else
#define OUR_ORDER ELFDATA2MSB
#endif

bool elf_piece(const struct elf *e, uint64_t offset, uint64_t length, struct buf *out)
{
	buf_clear(out, PIECE_MAX);
	if (length > PIECE_MAX || offset > e->size || length > e->size - offset ||
	    !buf_room(out, length + 1))
		return false;
	if (pread(e->fd, out->data, length, (off_t)offset) != (ssize_t)length)
		return false;
	out->data[length] = '\0';
	out->len = length;
	return true;
}

static int read_segments(struct elf *e, const Elf64_Ehdr *h)
{
	uint64_t at = FIELD(e, h, Ehdr, e_phoff), count = FIELD(e, h, Ehdr, e_phnum);
	struct buf headers = { 0 }, name = { 0 };
	int rc = 0;

	if (count && !elf_piece(e, at, count * SIZE(e, Phdr), &headers))
		rc = -ENOEXEC;
	for (uint64_t i = 0; rc == 0 && i < count; i++) {
		const char *p = headers.data + i * SIZE(e, Phdr);

		if (FIELD(e, p, Phdr, p_type) == PT_DYNAMIC)
			e->dynamic = true;
		if (FIELD(e, p, Phdr, p_type) != PT_INTERP)
			continue;
		if (elf_piece(e, FIELD(e, p, Phdr, p_offset), FIELD(e, p, Phdr, p_filesz), &name) &&
		    name.len < sizeof(e->interpreter))
			strcpy(e->interpreter, name.data);
		else
			rc = -ENOEXEC;
	}
	buf_free(&headers);
	buf_free(&name);
	return rc;
}

static int read_headers(struct elf *e)
{
	Elf64_Ehdr h = { 0 };
	ssize_t n = pread(e->fd, &h, sizeof(h), 0);

	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(Elf32_Ehdr) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	e->wide = h.e_ident[EI_CLASS] == ELFCLASS64;
	e->foreign_order = h.e_ident[EI_DATA] != OUR_ORDER;
	e->machine = e->foreign_order ? __builtin_bswap16(h.e_machine) : h.e_machine;
	e->type = e->foreign_order ? __builtin_bswap16(h.e_type) : h.e_type;
	if (e->foreign_order)
		return 0;
	if (n < (ssize_t)SIZE(e, Ehdr))
		return -ENOEXEC;
	if (FIELD(e, &h, Ehdr, e_shentsize) == SIZE(e, Shdr)) {
		e->sections = FIELD(e, &h, Ehdr, e_shoff);
		e->section_count = (unsigned)FIELD(e, &h, Ehdr, e_shnum);
	}
	if (FIELD(e, &h, Ehdr, e_phnum) && FIELD(e, &h, Ehdr, e_phentsize) != SIZE(e, Phdr))
		return -ENOEXEC;
	return read_segments(e, &h);
}

int elf_open(struct elf *e, int seen)
{
	int fd = regular_open(seen), rc;
	struct stat st;

	*e = (struct elf)ELF_CLOSED;
	if (fd < 0)
		return fd;
	e->fd = fd;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else
		rc = (e->size = (uint64_t)st.st_size, read_headers(e));
	if (rc < 0)
		elf_close(e);
	return rc;
}

void elf_close(struct elf *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

const char *elf_machine(const struct elf *e)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = { { EM_X86_64, "x86-64" }, { EM_386, "i386" },       { EM_AARCH64, "ARM 64" },
		      { EM_ARM, "ARM 32" },    { EM_PPC64, "POWER 64" }, { EM_S390, "s390" },
		      { EM_RISCV, "RISC-V" },  { EM_MIPS, "MIPS" } };
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == e->machine)
			return names[i].name;
	snprintf(number, sizeof(number), "machine %u", e->machine);
	return number;
}
