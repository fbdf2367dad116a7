/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds a loaded object and looks into its dynamic symbol table, by its GNU hash, which all linkers of the last
   fifteen years write. For the constructor, and for our thread, which asks what the allocator offers. */
#include "object.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct search {
	uintptr_t at;
	struct object *found;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *s = data;
	const char *name = *info->dlpi_name ? info->dlpi_name : program_invocation_name;
	const char *slash = strrchr(name, '/');
	const ElfW(Phdr) *dynamic = NULL;
	bool inside = false;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_DYNAMIC)
			dynamic = part;
		else if (part->p_type == PT_LOAD &&
			 s->at - (info->dlpi_addr + part->p_vaddr) < part->p_memsz)
			inside = true;
	}
	if (!inside)
		return 0;
	s->found->name = slash ? slash + 1 : name;
	if (!dynamic)
		return 1;
	/* Numbers become pointers here and nowhere else. */
	s->found->base = (const void *)(uintptr_t)info->dlpi_addr;
	s->found->dynamic = (const void *)(uintptr_t)(info->dlpi_addr + dynamic->p_vaddr);
	return 1;
}

bool object_of(const void *function, struct object *found)
{
	struct search s = { .at = (uintptr_t)function, .found = found };

	*found = (struct object){ 0 };
	dl_iterate_phdr(look_at, &s);
	return found->dynamic != NULL;
}

/* glibc writes real addresses over most of the section, musl and the kernel leave offsets. */
static const void *table(const struct object *o, int tag)
{
	for (const ElfW(Dyn) *d = o->dynamic; d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return d->d_un.d_ptr < (uintptr_t)o->base
				       ? (const char *)o->base + d->d_un.d_ptr
				       : (const void *)(uintptr_t)d->d_un.d_ptr;
	return NULL;
}

/* The table begins with this, then come the Bloom filter, the buckets, and a word for each symbol
   from `first` on, whose lowest bit ends a bucket's row. */
struct hash_table {
	uint32_t buckets, first, filter_words, shift;
	size_t filter[];
};

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static bool is_function(const ElfW(Sym) *symbol)
{
	return (symbol->st_info & 0xf) == STT_FUNC && symbol->st_shndx != SHN_UNDEF;
}

void *object_function(const struct object *o, const char *name)
{
	const struct hash_table *hashed = table(o, DT_GNU_HASH);
	const ElfW(Sym) *symbols = table(o, DT_SYMTAB);
	const char *names = table(o, DT_STRTAB);
	const uint32_t *buckets, *row;
	uint32_t hash = hash_of(name);

	if (!hashed || !symbols || !names || !hashed->buckets)
		return NULL;
	buckets = (const uint32_t *)&hashed->filter[hashed->filter_words];
	row = buckets + hashed->buckets;
	for (uint32_t i = buckets[hash % hashed->buckets]; i >= hashed->first; i++) {
		if ((row[i - hashed->first] | 1) == (hash | 1) && is_function(&symbols[i]) &&
		    strcmp(names + symbols[i].st_name, name) == 0)
			return (char *)o->base + symbols[i].st_value;
		if (row[i - hashed->first] & 1)
			break;
	}
	return NULL;
}
