/* SPDX-License-Identifier: BSD-2-Clause */
/* The thin layer that handlers talk to; the wire's functions do the writing. */
#include "rpc.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 1024 /* bytes; a command's usage and help is the longest */

void rpc_add_arg(struct rpc_call *call, const char *name, const char *text, enum rpc_kind kind)
{
	if (call->count < RPC_ARGS_MAX)
		call->args[call->count] = (struct rpc_arg){ name, text, kind };
	call->count++;
}

void reply_number(struct reply *r, const char *key, uint64_t value)
{
	if (!r->mute)
		r->ops->number(r, key, value);
}

void reply_text(struct reply *r, const char *key, const char *value)
{
	if (!r->mute)
		r->ops->text(r, key, value);
}

void reply_format(struct reply *r, const char *key, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	reply_text(r, key, text);
}

void reply_open(struct reply *r, const char *key, char bracket)
{
	if (!r->mute)
		r->ops->open(r, key, bracket);
}

void reply_close(struct reply *r, char bracket)
{
	if (!r->mute)
		r->ops->close(r, bracket);
}

void reply_fault(struct reply *r, int code, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!r->mute)
		r->ops->fault(r, code, text);
}
