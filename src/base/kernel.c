/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the clock that the kernel maps into each process, in the table of that small object. Runs on
   whichever thread asks for the time first. */
#include "kernel.h"

#include <elf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#if defined(__x86_64__)
#define VDSO_CLOCK "__vdso_clock_gettime"
#else
#define VDSO_CLOCK "__kernel_clock_gettime"
#endif

typedef int clock_function(clockid_t clock, struct timespec *time);

/* The vDSO: addresses in its tables count from `base`. */
struct vdso {
	uintptr_t base;
	const Elf64_Sym *symbols;
	const char *names;
	const uint32_t *hash; /* buckets, symbols, … */
};

static int clock_by_call(clockid_t clock, struct timespec *time)
{
	return (int)kernel_raw(SYS_clock_gettime, clock, (long)time, 0, 0, 0, 0);
}

static const void *vdso_at(const struct vdso *v, Elf64_Addr offset)
{
	return (const void *)(v->base + offset);
}

static const Elf64_Dyn *vdso_dynamic(struct vdso *v, uintptr_t start)
{
	const Elf64_Ehdr *head = (const void *)start;
	const Elf64_Phdr *segment = (const void *)(start + head->e_phoff);
	const Elf64_Phdr *load = NULL, *dynamic = NULL;

	for (int i = 0; i < head->e_phnum; i++) {
		if (segment[i].p_type == PT_LOAD && !load)
			load = &segment[i];
		else if (segment[i].p_type == PT_DYNAMIC)
			dynamic = &segment[i];
	}
	if (!load || !dynamic)
		return NULL;
	v->base = start + load->p_offset - load->p_vaddr;
	return (const void *)(start + dynamic->p_offset);
}

static bool vdso_read(struct vdso *v, uintptr_t start)
{
	const Elf64_Dyn *entry = start ? vdso_dynamic(v, start) : NULL;

	for (; entry && entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_SYMTAB)
			v->symbols = vdso_at(v, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_STRTAB)
			v->names = vdso_at(v, entry->d_un.d_ptr);
		else if (entry->d_tag == DT_HASH)
			v->hash = vdso_at(v, entry->d_un.d_ptr);
	}
	return v->symbols && v->names && v->hash;
}

/* 0 where there is none: qemu-user and valgrind give none, nor does a kernel started with vdso=0. */
static uintptr_t vdso_start(void)
{
	int saved = errno;
	uintptr_t start = getauxval(AT_SYSINFO_EHDR);

	errno = saved;
	return start;
}

static clock_function *find_clock(void)
{
	struct vdso v = { 0 };
	clock_function *found = clock_by_call;
	const void *at;

	if (!vdso_read(&v, vdso_start()))
		return found;
	for (uint32_t i = 0; i < v.hash[1]; i++) {
		if (v.symbols[i].st_shndx == SHN_UNDEF || strcmp(v.names + v.symbols[i].st_name, VDSO_CLOCK) != 0)
			continue;
		at = vdso_at(&v, v.symbols[i].st_value);
		memcpy(&found, &at, sizeof(found));
		break;
	}
	return found;
}

int kernel_clock_gettime(clockid_t clock, struct timespec *time)
{
	static _Atomic(clock_function *) known;
	clock_function *function = atomic_load_explicit(&known, memory_order_relaxed);

	if (!function) {
		function = find_clock();
		atomic_store_explicit(&known, function, memory_order_relaxed);
	}
	return (int)kernel_result(function(clock, time));
}
