/* SPDX-License-Identifier: BSD-2-Clause */
/* From a call to its handler: the method is looked up, the arguments are matched with the
   signature, converted and checked. Nothing has happened yet when anything is refused. */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/quote.h"
#include "base/units.h"
#include "base/word.h"
#include "control/access.h"
#include "control/cmd.h"
#include "control/size.h"
#include "control/stop.h"
#include "inject/record.h"

/* Of a call, with the log's own words a line. */
#define LOGGED_MAX 900

#define COMMAND(method, handler, signature, flags, help) \
	{ method, handler, signature, flags, help },
const struct command commands[] = {
#include "control/commands.def"
};
#undef COMMAND
const unsigned command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *method)
{
	for (unsigned i = 0; i < command_count; i++)
		if (strcmp(commands[i].method, method) == 0)
			return &commands[i];
	return NULL;
}

bool command_takes_back(const char *method)
{
	const struct command *c = command_find(method);

	return c && c->flags & COMMAND_TAKES_BACK;
}

enum arg_type { ARG_SIZE, ARG_UNIT, ARG_MS, ARG_NUMBER, ARG_TEXT, ARG_CHOICE };

/* By type: its name in signatures, what the original calls it, and what is accepted. */
static const struct {
	const char *name, *original, *forms;
} types[] = {
	[ARG_SIZE] = { "size", "integer", SIZE_FORMS },
	[ARG_UNIT] = { "unit", "string", UNITS_ACCEPTED },
	[ARG_MS] = { "ms", "integer", UNITS_TIME_FORMS },
	[ARG_NUMBER] = { "number", "integer", "a whole number" },
	[ARG_TEXT] = { "text", "string", "a word" },
	[ARG_CHOICE] = { "", "string", "" }, /* the words stand in the signature */
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static enum arg_type type_from(const char *word, size_t length)
{
	if (memchr(word, '|', length))
		return ARG_CHOICE;
	for (unsigned i = 0; i < TYPES; i++)
		if (strlen(types[i].name) == length && strncmp(types[i].name, word, length) == 0)
			return (enum arg_type)i;
	return ARG_TEXT;
}

/* One word of a signature. */
struct param {
	struct command_param shown;
	enum arg_type type;
};

static bool next_param(const char **at, struct param *p)
{
	const char *word = *at + strspn(*at, " ");
	const char *colon = strchr(word, ':');
	size_t type_length;

	if (!*word || !colon)
		return false;
	p->shown.optional = *word == '[';
	word += p->shown.optional;
	type_length = strcspn(colon + 1, " ]");
	snprintf(p->shown.name, sizeof(p->shown.name), "%.*s", (int)(colon - word), word);
	p->type = type_from(colon + 1, type_length);
	snprintf(p->shown.type, sizeof(p->shown.type), "%.*s", (int)type_length, colon + 1);
	*at = colon + 1 + type_length + p->shown.optional;
	return true;
}

bool command_next_param(const char **at, struct command_param *p)
{
	struct param one;
	bool got = next_param(at, &one);

	if (got)
		*p = one.shown;
	return got;
}

char *command_usage(const struct command *c, char usage[COMMAND_USAGE_MAX])
{
	const char *at = c->signature;
	struct param p;
	int n = snprintf(usage, COMMAND_USAGE_MAX, "%s", c->method);

	while (n < COMMAND_USAGE_MAX && next_param(&at, &p))
		n += snprintf(usage + n, (size_t)(COMMAND_USAGE_MAX - n), p.shown.optional ? " [%s]" : " %s",
			      p.shown.name);
	return usage;
}

/* One call being matched. */
struct binding {
	const struct command *command;
	const struct rpc_call *call;
	struct reply *reply;
	struct rpc_arg words[RPC_ARGS_MAX]; /* the call's, with names found */
	struct param params[RPC_ARGS_MAX];
	const struct rpc_arg *given[RPC_ARGS_MAX]; /* by parameter */
	unsigned count;
	struct args *args;
};

static void fault_usage(struct binding *b, const char *what, const char *word)
{
	char usage[COMMAND_USAGE_MAX];

	reply_fault(b->reply, 400, "%s: '%.100s' (usage: %s)", what, word,
		    command_usage(b->command, usage));
}

static int find_param(const struct binding *b, const char *name, size_t length)
{
	for (unsigned i = 0; i < b->count; i++)
		if (strlen(b->params[i].shown.name) == length &&
		    strncmp(b->params[i].shown.name, name, length) == 0)
			return (int)i;
	return -1;
}

static void read_word(struct binding *b, struct rpc_arg *word)
{
	size_t length;
	int at;

	if (word->kind != RPC_LOOSE)
		return;
	word->kind = RPC_WORD;
	length = word_name_length(word->text);
	at = length ? find_param(b, word->text, length) : -1;
	if (at < 0)
		return;
	word->name = b->params[at].shown.name;
	word->text += length + 1;
}

/* Gives each argument of the call its parameter: named ones theirs, the others the next that is free. */
static bool place_args(struct binding *b)
{
	unsigned next = 0, count = b->call->count < RPC_ARGS_MAX ? b->call->count : RPC_ARGS_MAX;

	for (unsigned i = 0; i < count; i++) {
		struct rpc_arg *arg = &b->words[i];
		int at;

		*arg = b->call->args[i];
		read_word(b, arg);
		if (!arg->name)
			continue;
		at = find_param(b, arg->name, strlen(arg->name));
		if (at < 0 || b->given[at]) {
			fault_usage(b, at < 0 ? "unknown argument" : "argument given twice",
				    arg->name);
			return false;
		}
		b->given[at] = arg;
	}
	for (unsigned i = 0; i < count; i++) {
		if (b->words[i].name)
			continue;
		while (next < b->count && b->given[next])
			next++;
		if (next == b->count) {
			fault_usage(b, "too many arguments", b->words[i].text);
			return false;
		}
		b->given[next++] = &b->words[i];
	}
	return true;
}

static void fault_type(struct binding *b, unsigned at, const char *how)
{
	const struct param *p = &b->params[at];

	reply_fault(b->reply, 400,
		    "error at parameter %u: expected %s type but record doesn't match type: "
		    "%s '%.100s' %s (accepted: %s)",
		    at, types[p->type].original, p->shown.name, b->given[at]->text, how,
		    p->type == ARG_CHOICE ? p->shown.type : types[p->type].forms);
}

static bool convert_text(struct binding *b, unsigned at)
{
	if (b->given[at]->kind != RPC_OTHER)
		return true;
	fault_type(b, at, "is no string");
	return false;
}

static bool convert_choice(struct binding *b, unsigned at)
{
	const char *text = b->given[at]->text, *word = b->params[at].shown.type;
	size_t length = strlen(text);

	if (!convert_text(b, at))
		return false;
	for (uint64_t n = 0;; n++, word++) {
		if (strcspn(word, "|") == length && strncmp(word, text, length) == 0) {
			b->args->values[at].number = n;
			return true;
		}
		word += strcspn(word, "|");
		if (!*word)
			break;
	}
	fault_type(b, at, "is none of them");
	return false;
}

static bool convert_unit(struct binding *b, unsigned at)
{
	const struct rpc_arg *arg = b->given[at];

	b->args->shift = arg->kind == RPC_WORD ? units_shift(arg->text) : -1;
	b->args->unit = arg->text;
	if (b->args->shift >= 0)
		return true;
	reply_fault(b->reply, 500, "bad param use b|k|m|g: '%.100s' is no unit (accepted: %s)",
		    arg->text, UNITS_ACCEPTED);
	return false;
}

/* What would the unit be of? Other sizes beside it can have units of their own. */
static bool refuse_unit(struct binding *b, unsigned at)
{
	reply_fault(b->reply, 400,
		    "error at parameter %u: %s '%.100s' is a percentage and takes no unit, but unit is '%.100s' (accepted: "
		    "no unit, and other sizes as in 10k)",
		    at, b->params[at].shown.name, b->given[at]->text, b->args->unit);
	return false;
}

static bool convert_number(struct binding *b, unsigned at)
{
	const struct rpc_arg *arg = b->given[at];
	uint64_t *number = &b->args->values[at].number;
	int rc = -EINVAL;

	if (arg->kind == RPC_NUMBER || arg->kind == RPC_WORD) {
		switch (b->params[at].type) {
		case ARG_SIZE:
			rc = size_parse(arg->text, b->args->shift, number);
			if (rc == 0 && b->args->unit && size_is_percent(arg->text))
				return refuse_unit(b, at);
			break;
		case ARG_MS:
			rc = units_parse_ms(arg->text, number);
			break;
		default:
			rc = units_parse_number(arg->text, number);
			break;
		}
	}
	if (rc == 0)
		return true;
	if (rc == -ERANGE)
		fault_type(b, at, "is larger than 64 bits hold");
	else if (rc == -EDOM)
		fault_type(b, at, "is more than all of the memory");
	else if (rc == -ENODATA)
		fault_type(b, at, "cannot be told, as this process cannot read the size of the memory");
	else if (arg->text[0] == '-')
		fault_type(b, at, "is negative");
	else
		fault_type(b, at, "is not of that form");
	return false;
}

static bool convert_one(struct binding *b, unsigned at)
{
	switch (b->params[at].type) {
	case ARG_TEXT:
		return convert_text(b, at);
	case ARG_CHOICE:
		return convert_choice(b, at);
	default:
		return convert_number(b, at);
	}
}

static bool is_unit(const struct binding *b, unsigned at)
{
	return b->params[at].type == ARG_UNIT;
}

/* What is missing is reported first, then what is of a wrong type; among those the unit comes first,
   since it has to be known before the sizes are read. */
static bool convert_args(struct binding *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct param *p = &b->params[i];

		strcpy(b->args->values[i].name, p->shown.name);
		if (b->given[i]) {
			b->args->values[i].text = b->given[i]->text;
		} else if (!p->shown.optional) {
			char usage[COMMAND_USAGE_MAX];

			reply_fault(b->reply, 400,
				    "error at parameter %u: expected %s type but end of packet "
				    "encountered: %s is missing (usage: %s)",
				    i, types[p->type].original, p->shown.name,
				    command_usage(b->command, usage));
			return false;
		}
	}
	for (unsigned i = 0; i < b->count; i++)
		if (b->given[i] && is_unit(b, i) && !convert_unit(b, i))
			return false;
	for (unsigned i = 0; i < b->count; i++)
		if (b->given[i] && !is_unit(b, i) && !convert_one(b, i))
			return false;
	b->args->count = b->count;
	return true;
}

bool command_bind(const struct command *c, const struct rpc_call *call, struct args *args,
		  struct reply *r)
{
	struct binding b = { .command = c, .call = call, .reply = r, .args = args };
	const char *at = c->signature;

	*args = (struct args){ 0 };
	while (b.count < RPC_ARGS_MAX && next_param(&at, &b.params[b.count]))
		b.count++;
	r->refusal = RPC_BAD_ARGS;
	if (!place_args(&b) || !convert_args(&b))
		return false;
	r->refusal = RPC_REFUSED;
	return true;
}

/* Each word by itself: else an argument with spaces would read as the caller. */
static void log_call(const struct rpc_call *call)
{
	char line[LOGGED_MAX], word[QUOTE_WORD_MAX];
	size_t n = quote_line(line, sizeof(line), call->method);

	for (unsigned i = 0; i < call->count && i < RPC_ARGS_MAX; i++) {
		size_t length = quote_word(word, call->args[i].text);
		bool fits = n + length + sizeof(" ...") < sizeof(line);

		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s", fits ? word : "...");
		if (!fits)
			break;
	}
	record_line("%s by pid %d uid %u", line, (int)call->pid, (unsigned)call->uid);
}

void command_fault_unknown(const char *method, struct reply *r)
{
	struct nearest n = { .word = method };

	for (unsigned i = 0; i < command_count; i++)
		nearest_offer(&n, commands[i].method);
	if (n.best)
		reply_fault(r, 500, "command %.100s not found, did you mean %s?", method, n.best);
	else
		reply_fault(r, 500, "command %.100s not found (mt.help lists them)", method);
}

void command_run(const struct rpc_call *call, struct reply *r)
{
	const struct command *c = command_find(call->method);
	const char *stopped_by;
	struct args args;

	if (!c) {
		r->refusal = RPC_NO_METHOD;
		command_fault_unknown(call->method, r);
		return;
	}
	if (!command_bind(c, call, &args, r))
		return;
	stopped_by = c->flags & COMMAND_INJECTS ? stop_in_force() : NULL;
	if (stopped_by) {
		reply_fault(r, 403, "stopped by %s (remove it to go on)", stopped_by);
		return;
	}
	if (c->flags & COMMAND_CHANGES)
		log_call(call);
	/* The line may have waited for a frozen log. */
	if (c->flags & COMMAND_CHANGES && !access_lasts(call->uid)) {
		reply_fault(r, 403, "%s refused: the process has changed its rights meanwhile (connect again)", c->method);
		return;
	}
	c->handler(&args, r);
}

static const struct arg_value *value_of(const struct args *a, const char *name)
{
	static const struct arg_value none;

	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->values[i].name, name) == 0)
			return &a->values[i];
	return &none;
}

bool arg_given(const struct args *a, const char *name)
{
	return value_of(a, name)->text != NULL;
}

uint64_t arg_number(const struct args *a, const char *name)
{
	return value_of(a, name)->number;
}

const char *arg_text(const struct args *a, const char *name)
{
	return value_of(a, name)->text;
}
