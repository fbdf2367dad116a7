/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing run of bytes in private memory. One thread at a time. */
#ifndef MT_BASE_BUF_H
#define MT_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t len, cap;
	bool failed; /* something did not fit: memory ran out; stays set until buf_clear */
};

/* Maps room for `cap` bytes ahead, so that short contents never need the system. 0 or -ENOMEM. */
int buf_init(struct buf *b, size_t cap);
void buf_free(struct buf *b);

/* Empties the buffer; what it grew beyond `keep` bytes goes back to the system. */
void buf_clear(struct buf *b, size_t keep);

/* Each appends whole or not at all, setting `failed`. */
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for `len` more bytes behind the contents, or NULL; the caller adds to `len` what it wrote. */
char *buf_room(struct buf *b, size_t len);

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

#endif
