/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in a chunk: touched pages, or the pattern of check_content. Works on a part of a chunk,
   so that large ones can be handled in slices. Touches nothing but the chunk. */
#ifndef MT_INJECT_CONTENT_H
#define MT_INJECT_CONTENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Settings; read anew for each chunk. */
extern _Atomic uint64_t content_touch; /* make every page of a new chunk resident */
extern _Atomic uint64_t content_check; /* fill with the pattern, and verify at release */

/* Stores to every page of [addr + from, addr + to), once. */
void content_make_resident(void *addr, size_t from, size_t to);

/* The pattern depends on the offset in the chunk alone, so it survives a move by realloc.
   `from` is a multiple of 8, and so is `to` unless it is the chunk's end. */
void content_fill(void *addr, size_t from, size_t to);

/* The offset of the first byte in the range that differs from the pattern, or SIZE_MAX. */
size_t content_verify(const void *addr, size_t from, size_t to);

/* The pattern's byte at an offset. */
unsigned char content_expected(size_t offset);

/* Gives the whole pages inside [addr + from, addr + to) back to the system; they read as zeros
   if the block is used again. So freeing 10 GiB is no single call of a second. */
void content_purge(void *addr, size_t from, size_t to);

#endif
