/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes the matching of arguments. The first byte chooses the command; behind it come arguments, each
   ended by a NUL: [KIND]TEXT, or =NAME\x01[KIND]TEXT for a named one, where KIND is one of # . ? ~ */
#include "tests/fuzz.h"

static unsigned faults, values;

static void count_number(struct reply *r, const char *key, uint64_t value)
{
	(void)r, (void)key, (void)value;
	values++;
}

static void count_text(struct reply *r, const char *key, const char *value)
{
	(void)r, (void)key, (void)value;
	values++;
}

static void count_bracket(struct reply *r, const char *key, char bracket)
{
	(void)r, (void)key, (void)bracket;
	values++;
}

static void count_close(struct reply *r, char bracket)
{
	(void)r, (void)bracket;
	values++;
}

static void count_fault(struct reply *r, int code, const char *text)
{
	(void)r;
	MUST(code == 400 || code == 500);
	MUST(*text);
	faults++;
}

static void count_end(struct reply *r)
{
	(void)r;
	values++;
}

static const struct reply_ops counting_ops = {
	.number = count_number,
	.text = count_text,
	.open = count_bracket,
	.close = count_close,
	.fault = count_fault,
	.end = count_end,
};

static void add_arg(struct rpc_call *call, char *word)
{
	static const char marks[] = "#.?~";
	static const enum rpc_kind kinds[] = { RPC_NUMBER, RPC_DOUBLE, RPC_OTHER, RPC_LOOSE };
	char *separator = *word == '=' ? strchr(word, '\x01') : NULL;
	const char *name = NULL, *mark;

	if (separator) {
		*separator = '\0';
		name = word + 1;
		word = separator + 1;
	}
	mark = *word ? strchr(marks, *word) : NULL;
	rpc_add_arg(call, name, mark ? word + 1 : word, mark ? kinds[mark - marks] : RPC_WORD);
}

/* Everything that the handler may ask for is there. */
static void check_args(const struct command *c, const struct args *a)
{
	const char *at = c->signature;
	struct command_param p;
	unsigned count = 0;

	for (; command_next_param(&at, &p); count++) {
		MUST(p.optional || arg_given(a, p.name));
		MUST(arg_given(a, p.name) || arg_number(a, p.name) == 0);
	}
	MUST(a->count == count);
	MUST(a->shift >= 0 && a->shift < 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply r = { .ops = &counting_ops };
	struct rpc_call call = { .pid = 1 };
	const struct command *c;
	struct args args;
	char *words;

	if (!size)
		return 0;
	c = &commands[data[0] % command_count];
	call.method = c->method;
	words = malloc(size);
	MUST(words);
	memcpy(words, data + 1, size - 1);
	words[size - 1] = '\0';
	for (char *at = words; at < words + size - 1;) {
		size_t length = strlen(at);

		add_arg(&call, at);
		at += length + 1;
	}
	faults = values = 0;
	if (command_bind(c, &call, &args, &r)) {
		MUST(faults == 0);
		MUST(r.refusal == RPC_REFUSED);
		check_args(c, &args);
	} else {
		MUST(faults == 1);
		MUST(r.refusal == RPC_BAD_ARGS);
	}
	MUST(values == 0);
	free(words);
	return 0;
}
