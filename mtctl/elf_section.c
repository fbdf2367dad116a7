/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the sections that say what a file needs and has. A file without sections, which the loader
   does not need, says nothing here. */
#include <string.h>

#include "elf_field.h"

#define COUNT_MAX 1024 /* of versions in all: entries may name themselves as their next */
#define STRING_MAX 256

/* A section of the wanted type, and the strings that it points to. */
struct section {
	struct buf content, strings;
	unsigned info;
};

static bool find_section(const struct elf *e, uint32_t type, struct section *s)
{
	struct buf headers = { 0 };
	const char *h = NULL, *names;
	bool found;
	uint64_t link;

	*s = (struct section){ 0 };
	if (e->foreign_order || !elf_piece(e, e->sections, e->section_count * SIZE(e, Shdr), &headers)) {
		buf_free(&headers);
		return false;
	}
	for (unsigned i = 0; i < e->section_count && !h; i++)
		if (FIELD(e, headers.data + i * SIZE(e, Shdr), Shdr, sh_type) == type)
			h = headers.data + i * SIZE(e, Shdr);
	link = h ? FIELD(e, h, Shdr, sh_link) : e->section_count;
	found = link < e->section_count;
	if (found) {
		names = headers.data + link * SIZE(e, Shdr);
		s->info = (unsigned)FIELD(e, h, Shdr, sh_info);
		found = elf_piece(e, FIELD(e, h, Shdr, sh_offset), FIELD(e, h, Shdr, sh_size),
			      &s->content) &&
			elf_piece(e, FIELD(e, names, Shdr, sh_offset), FIELD(e, names, Shdr, sh_size),
			      &s->strings);
	}
	buf_free(&headers);
	return found;
}

static void free_section(struct section *s)
{
	buf_free(&s->content);
	buf_free(&s->strings);
}

/* A name that is longer than any stands for none. */
static const char *string(const struct section *s, uint64_t at)
{
	const char *text = at < s->strings.len ? s->strings.data + at : "";

	return strnlen(text, STRING_MAX) < STRING_MAX ? text : "";
}

/* What lies at `at` in the content, if `size` bytes do. */
static const void *part(const struct section *s, uint64_t at, size_t size)
{
	if (at > s->content.len || size > s->content.len - at || at % 4)
		return NULL;
	return s->content.data + at;
}

typedef void visitor(void *context, const char *version);

/* The version structures are the same in both classes. */
static void each_needed(const struct section *s, const char *of, visitor *each, void *context)
{
	const Elf64_Verneed *need;
	const Elf64_Vernaux *aux;
	uint64_t at = 0, inner;

	for (unsigned i = 0; i < COUNT_MAX && (need = part(s, at, sizeof(*need))); i++) {
		inner = at + need->vn_aux;
		for (unsigned n = 0; n < need->vn_cnt && i < COUNT_MAX && strcmp(string(s, need->vn_file), of) == 0 &&
				     (aux = part(s, inner, sizeof(*aux)));
		     n++, i++, inner += aux->vna_next)
			if (!(aux->vna_flags & VER_FLG_WEAK))
				each(context, string(s, aux->vna_name));
		if (!need->vn_next)
			break;
		at += need->vn_next;
	}
}

static void each_defined(const struct section *s, visitor *each, void *context)
{
	const Elf64_Verdef *def;
	const Elf64_Verdaux *aux;
	uint64_t at = 0;

	for (unsigned i = 0; i < COUNT_MAX && (def = part(s, at, sizeof(*def))); i++) {
		aux = part(s, at + def->vd_aux, sizeof(*aux));
		if (aux && !(def->vd_flags & VER_FLG_BASE))
			each(context, string(s, aux->vda_name));
		if (!def->vd_next)
			break;
		at += def->vd_next;
	}
}

bool elf_each_version(const struct elf *e, const char *of, visitor *each, void *context)
{
	struct section s;
	bool found = find_section(e, of ? SHT_GNU_verneed : SHT_GNU_verdef, &s);

	if (found && of)
		each_needed(&s, of, each, context);
	else if (found)
		each_defined(&s, each, context);
	free_section(&s);
	return found;
}

bool elf_needs(const struct elf *e, const char *library)
{
	struct section s;
	bool found = find_section(e, SHT_DYNAMIC, &s), needs = false;
	const char *d;

	for (uint64_t at = 0; found && !needs && (d = part(&s, at, SIZE(e, Dyn))); at += SIZE(e, Dyn))
		needs = FIELD(e, d, Dyn, d_tag) == DT_NEEDED &&
			strcmp(string(&s, FIELD(e, d, Dyn, d_un.d_val)), library) == 0;
	free_section(&s);
	return needs;
}

static bool defines_in(const struct elf *e, uint32_t table, const char *function)
{
	struct section s;
	bool found = find_section(e, table, &s), defines = false;
	const char *sym;

	for (uint64_t at = 0; found && !defines && (sym = part(&s, at, SIZE(e, Sym)));
	     at += SIZE(e, Sym)) {
		unsigned info = (unsigned)FIELD(e, sym, Sym, st_info);

		defines = FIELD(e, sym, Sym, st_shndx) != SHN_UNDEF &&
			  ELF64_ST_TYPE(info) == STT_FUNC && ELF64_ST_BIND(info) != STB_LOCAL &&
			  strcmp(string(&s, FIELD(e, sym, Sym, st_name)), function) == 0;
	}
	free_section(&s);
	return defines;
}

bool elf_defines(const struct elf *e, const char *function)
{
	return defines_in(e, SHT_DYNSYM, function) || defines_in(e, SHT_SYMTAB, function);
}
