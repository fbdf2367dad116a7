/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds a loaded object and looks into its dynamic symbol table, by its GNU hash where it has one, as from
   all linkers of the last fifteen years. For the constructor, and for our thread, which asks what the allocator offers. */
#include "object.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct search {
	uintptr_t at;
	const char *name;
	unsigned place, but_place;
	struct object *found;
	void *function;
};

static void describe(const struct dl_phdr_info *info, unsigned place, struct object *o)
{
	const char *name = *info->dlpi_name ? info->dlpi_name : program_invocation_name;
	const char *slash = strrchr(name, '/');

	*o = (struct object){ .place = place, .name = slash ? slash + 1 : name };
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		/* Numbers become pointers here and nowhere else. */
		o->base = (const void *)(uintptr_t)info->dlpi_addr;
		o->dynamic = (const void *)(uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	}
}

static int is_inside(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *s = data;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || s->at - (info->dlpi_addr + part->p_vaddr) >= part->p_memsz)
			continue;
		describe(info, s->place, s->found);
		return 1;
	}
	s->place++;
	return 0;
}

bool object_of(const void *function, struct object *found)
{
	struct search s = { .at = (uintptr_t)function, .found = found };

	*found = (struct object){ 0 };
	dl_iterate_phdr(is_inside, &s);
	return found->dynamic != NULL;
}

unsigned object_our_place(void)
{
	static const char here;
	struct object us;

	return object_of(&here, &us) && us.place > 0 ? us.place : OBJECT_NO_PLACE;
}

static int defines(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *s = data;

	(void)size;
	describe(info, s->place, s->found);
	if (s->place++ != s->but_place && s->found->dynamic)
		s->function = object_function(s->found, s->name);
	return s->function != NULL;
}

void *object_first(const char *name, unsigned but_place, struct object *found)
{
	struct search s = { .name = name, .but_place = but_place, .found = found };

	*found = (struct object){ 0 };
	dl_iterate_phdr(defines, &s);
	return s.function;
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

/* The older table, of all symbols: counts of buckets and symbols, and then what is not looked at. */
static void *function_of_all(const struct object *o, const char *name)
{
	const uint32_t *hashed = table(o, DT_HASH);
	const ElfW(Sym) *symbols = table(o, DT_SYMTAB);
	const char *names = table(o, DT_STRTAB);

	for (uint32_t i = 0; hashed && symbols && names && i < hashed[1]; i++)
		if (is_function(&symbols[i]) && strcmp(names + symbols[i].st_name, name) == 0)
			return (char *)o->base + symbols[i].st_value;
	return NULL;
}

void *object_function(const struct object *o, const char *name)
{
	const struct hash_table *hashed = table(o, DT_GNU_HASH);
	const ElfW(Sym) *symbols = table(o, DT_SYMTAB);
	const char *names = table(o, DT_STRTAB);
	const uint32_t *buckets, *row;
	uint32_t hash = hash_of(name);

	if (!hashed)
		return function_of_all(o, name);
	if (!symbols || !names || !hashed->buckets)
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
