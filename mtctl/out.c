/* SPDX-License-Identifier: BSD-2-Clause */
/* What mtctl says, and where: people get lines, programs one JSON document a line. */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "layout.h"

#define ERROR_MAX 4096

static bool as_json;
static bool lost; /* memory for an output ran out */
static pid_t about_pid = -1;
static const char *about_name;

void out_as_json(bool json)
{
	as_json = json;
}

/* The only way out. Whoever puts somebody else's text into a line sees to it that it stays one; that no terminal
   obeys anything is seen to here, for all. */
static void emit(FILE *to, const struct buf *text)
{
	struct buf plain = { 0 };

	if (text->len)
		label_page(&plain, text->data, text->len);
	if (plain.len)
		fwrite(plain.data, 1, plain.len, to);
	lost |= text->failed || plain.failed;
	buf_free(&plain);
}

void out_about(pid_t pid, const char *name)
{
	struct buf line = { 0 };

	about_pid = pid;
	about_name = name;
	if (pid < 0 || as_json)
		return;
	buf_printf(&line, "# %d ", (int)pid);
	label_line(&line, name);
	buf_char(&line, '\n');
	emit(stdout, &line);
	buf_free(&line);
}

void out_text(const struct buf *text)
{
	emit(stdout, text);
	fflush(stdout);
}

/* Writes {"pid":…,"name":…,"member":VALUE}, or what `alone` says while it is about no process. */
static void json_line(const char *member, struct json value, bool alone)
{
	struct buf line = { 0 };

	if (about_pid >= 0) {
		buf_printf(&line, "{\"pid\":%d,\"name\":", (int)about_pid);
		json_quote(&line, about_name, strlen(about_name));
		buf_printf(&line, ",\"%s\":", member);
	} else if (!alone) {
		buf_printf(&line, "{\"%s\":", member);
	}
	json_copy(&line, value);
	buf_str(&line, about_pid >= 0 || !alone ? "}\n" : "\n");
	out_text(&line);
	buf_free(&line);
}

static void json_error(long code, const char *message)
{
	struct buf error = { 0 };

	buf_printf(&error, "{\"code\":%ld,\"message\":", code);
	json_quote(&error, message, strlen(message));
	buf_char(&error, '}');
	json_line("error", (struct json){ error.data, error.len }, false);
	buf_free(&error);
}

void out_result(struct json result)
{
	struct buf text = { 0 };

	if (as_json) {
		json_line("result", result, true);
		return;
	}
	layout_result(&text, result);
	out_text(&text);
	buf_free(&text);
}

/* To stderr, behind everything that was printed before. */
static void error_line(const char *before, const char *message)
{
	struct buf line = { 0 };

	fflush(stdout);
	buf_str(&line, before);
	label_line(&line, message);
	buf_char(&line, '\n');
	emit(stderr, &line);
	buf_free(&line);
}

int out_refusal(long code, const char *message)
{
	char before[48];

	snprintf(before, sizeof(before), "error: %ld - ", code);
	if (as_json)
		json_error(code, message);
	else
		error_line(before, message);
	return CTL_REFUSED;
}

int out_error(int status, const char *format, ...)
{
	char message[ERROR_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	if (as_json)
		json_error(status, message);
	else
		error_line("mtctl: ", message);
	return status;
}

void out_note(const char *format, ...)
{
	char message[ERROR_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	error_line("mtctl: ", message);
}

int out_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout) && !lost)
		return status;
	fprintf(stderr, "mtctl: the output could not be written: %s\n", strerror(lost ? ENOMEM : errno));
	return ctl_worse(status, CTL_REFUSED);
}
