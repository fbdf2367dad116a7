/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes inside chunks. Called on our thread for commands and tests, on the host's for the
   C API. */
#include "content.h"

#include <string.h>
#include <sys/mman.h>

#include "base/kernel.h"

/* The smallest page of any machine we build for; touching too often is harmless. */
#define PAGE ((size_t)4096)

/* Consecutive words differ by this: 2^64 over the golden ratio, odd, with no run of equal bytes. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

_Atomic uint64_t content_touch = 1;
_Atomic uint64_t content_check;

static uint64_t word_at(size_t offset)
{
	return (offset / 8 + 1) * STEP;
}

void content_make_resident(void *addr, size_t from, size_t to)
{
	volatile char *p = addr;
	uintptr_t next;

	if (from >= to)
		return;
	p[from] = 0;
	next = ((uintptr_t)addr + from + PAGE) & ~(PAGE - 1);
	for (; next < (uintptr_t)addr + to; next += PAGE)
		*(volatile char *)next = 0;
}

void content_fill(void *addr, size_t from, size_t to)
{
	char *p = (char *)addr + from, *end = (char *)addr + to;
	uint64_t word = word_at(from);

	for (; end - p >= 8; p += 8, word += STEP)
		memcpy(p, &word, 8);
	memcpy(p, &word, (size_t)(end - p));
}

unsigned char content_expected(size_t offset)
{
	uint64_t word = word_at(offset);
	unsigned char bytes[8];

	memcpy(bytes, &word, 8);
	return bytes[offset % 8];
}

size_t content_verify(const void *addr, size_t from, size_t to)
{
	const unsigned char *bytes = addr;
	size_t at = from;
	uint64_t word = word_at(from), found;

	for (; to - at >= 8; at += 8, word += STEP) {
		memcpy(&found, bytes + at, 8); /* one load: the chunk need not be aligned */
		if (found != word)
			break;
	}
	for (; at < to; at++)
		if (bytes[at] != content_expected(at))
			return at;
	return SIZE_MAX;
}

void content_purge(void *addr, size_t from, size_t to)
{
	uintptr_t start = ((uintptr_t)addr + from + PAGE - 1) & ~(PAGE - 1);
	uintptr_t end = ((uintptr_t)addr + to) & ~(PAGE - 1);

	/* Refused for locked pages (mlockall): then free itself does the work. */
	if (start < end)
		kernel_madvise((void *)start, end - start, MADV_DONTNEED);
}
