/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte buffer behind replies and requests. */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pool.h"

#define PAGE ((size_t)4096)

int buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){ .cap = (cap + PAGE - 1) & ~(PAGE - 1) };
	b->data = pool_map(b->cap);
	if (!b->data)
		b->cap = 0;
	return b->data ? 0 : -ENOMEM;
}

void buf_free(struct buf *b)
{
	if (b->data)
		pool_unmap(b->data, b->cap);
	*b = (struct buf){ 0 };
}

void buf_clear(struct buf *b, size_t keep)
{
	char *kept;

	keep = (keep + PAGE - 1) & ~(PAGE - 1);
	b->len = 0;
	b->failed = false;
	if (b->cap <= keep || !keep)
		return;
	kept = pool_resize(b->data, b->cap, keep);
	if (!kept)
		return;
	b->data = kept;
	b->cap = keep;
}

char *buf_room(struct buf *b, size_t len)
{
	size_t cap = b->cap ? b->cap : PAGE;
	char *grown;

	if (b->cap - b->len >= len)
		return b->data + b->len;
	while (cap - b->len < len)
		cap *= 2;
	grown = b->data ? pool_resize(b->data, b->cap, cap) : pool_map(cap);
	if (!grown) {
		b->failed = true;
		return NULL;
	}
	b->data = grown;
	b->cap = cap;
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	char *to = buf_room(b, len);

	if (!to || !len)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

void buf_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	int need;
	char *to;

	va_start(ap, format);
	need = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (need < 0)
		return;
	to = buf_room(b, (size_t)need + 1);
	if (!to)
		return;
	va_start(ap, format);
	vsnprintf(to, (size_t)need + 1, format, ap);
	va_end(ap);
	b->len += (size_t)need;
}

void buf_consume(struct buf *b, size_t len)
{
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
}
