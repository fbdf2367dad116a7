/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays a JSON result out for people. A result was checked before it comes here, so that walking
   it cannot fail; its depth is limited by JSON_DEPTH_MAX. */
#include "layout.h"

#include <stdlib.h>
#include <string.h>

/* No command nests deeper; whatever else answers does not grow by its brackets. */
#define LEVELS_MAX 8

static void indent(struct buf *b, unsigned depth)
{
	while (depth--)
		buf_char(b, '\t');
}

/* A string's text, in memory that the caller frees, or NULL where it has none that can be shown. */
static char *text_of(struct json v)
{
	char *text = malloc(v.len + 1); /* unescaping never lengthens */

	if (text && json_text(v, text, v.len + 1) < 0) {
		free(text);
		text = NULL;
	}
	return text;
}

static void scalar(struct buf *b, struct json v)
{
	char *text = json_kind(v) == 's' ? text_of(v) : NULL;

	if (text)
		label_line(b, text);
	else
		label_page(b, v.at, v.len);
	buf_char(b, '\n');
	free(text);
}

/* Help has several lines; they stay lines where no label stands in front. */
static void lines(struct buf *b, unsigned depth, struct json v)
{
	char *text = text_of(v), *rest = text, *line;

	if (!text) {
		indent(b, depth);
		scalar(b, v);
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		indent(b, depth);
		label_line(b, line);
		buf_char(b, '\n');
	}
	free(text);
}

static void value(struct buf *b, unsigned depth, struct json v);

static void member(struct buf *b, unsigned depth, struct json key, struct json v);

/* Opens, goes through and closes an array or object whose first line is begun already. */
static void container(struct buf *b, unsigned depth, struct json v)
{
	struct json_iter it = { 0 };
	struct json key, inner;
	bool object = json_kind(v) == 'o';
	unsigned inside = depth < LEVELS_MAX ? depth + 1 : depth;

	buf_str(b, object ? "{\n" : "[\n");
	while (json_next(v, &it, &key, &inner)) {
		if (object)
			member(b, inside, key, inner);
		else
			value(b, inside, inner);
	}
	indent(b, depth);
	buf_str(b, object ? "}\n" : "]\n");
}

static bool is_container(struct json v)
{
	return json_kind(v) == 'o' || json_kind(v) == 'a';
}

static void member(struct buf *b, unsigned depth, struct json key, struct json v)
{
	char *name = text_of(key);

	label_member(b, depth, name ? name : "?");
	free(name);
	if (is_container(v))
		container(b, depth, v);
	else
		scalar(b, v);
}

static void value(struct buf *b, unsigned depth, struct json v)
{
	if (json_kind(v) == 's') {
		lines(b, depth, v);
		return;
	}
	indent(b, depth);
	if (is_container(v))
		container(b, depth, v);
	else
		scalar(b, v);
}

void layout_result(struct buf *b, struct json result)
{
	struct json_iter it = { 0 };
	struct json element;

	if (json_kind(result) == 'l')
		return;
	if (json_kind(result) != 'a') {
		value(b, 0, result);
		return;
	}
	while (json_next(result, &it, NULL, &element))
		value(b, 0, element);
}
