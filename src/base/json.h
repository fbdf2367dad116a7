/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON (RFC 8259) without allocation: a checked text is walked in place. Any thread. */
#ifndef MT_BASE_JSON_H
#define MT_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define JSON_DEPTH_MAX 64

/* A value: a piece of a text that json_check passed. The text stays the caller's. */
struct json {
	const char *at;
	size_t len;
};

/* Is the text one JSON value, with blanks around it at most? On success `*value` is that
   value and NULL is returned; else a few words that say what is wrong, with `*value` at the place. */
const char *json_check(const char *text, size_t len, struct json *value);

/* 'o'bject, 'a'rray, 's'tring, 'n'umber, 't'rue, 'f'alse, nul'l'. */
char json_kind(struct json v);

/* Walks an array or object: start from a zeroed iterator. `key` may be NULL, and is the
   quoted string of an object's member. */
struct json_iter {
	const char *next;
};
bool json_next(struct json v, struct json_iter *it, struct json *key, struct json *value);

/* The first member called `name`. */
bool json_member(struct json object, const char *name, struct json *value);

/* Is the string `v` exactly `text`? */
bool json_is(struct json v, const char *text);

/* Unescapes a string into `out` with a closing NUL. Its length, or -EMSGSIZE, or -EILSEQ where it
   holds a NUL, which no word of ours may. */
long json_text(struct json v, char *out, size_t cap);

/* Appends `text` as a quoted string. Bytes that are not UTF-8 become U+FFFD; what a terminal could obey
   (utf8_is_plain) is escaped. */
void json_quote(struct buf *b, const char *text, size_t len);

/* Appends a checked value of somebody else's, on one line and escaped in the same way. */
void json_copy(struct buf *b, struct json v);

#endif
