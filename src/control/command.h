/* SPDX-License-Identifier: BSD-2-Clause */
/* The command table: finding, checking arguments, running. On our thread. */
#ifndef MT_CONTROL_COMMAND_H
#define MT_CONTROL_COMMAND_H

#include "control/rpc.h"

#define COMMAND_PARAM_MAX 24
#define COMMAND_TYPE_MAX 40

/* The arguments of one call, checked and converted as the command's signature says. */
struct arg_value {
	char name[COMMAND_PARAM_MAX];
	const char *text; /* NULL: not given */
	uint64_t number;  /* bytes, ms, the plain number or the place of the word, by type */
};

struct args {
	struct arg_value values[RPC_ARGS_MAX];
	unsigned count;
	const char *unit; /* the unit argument; NULL without one */
	int shift;        /* what it stands for; 0 without one */
};

/* By the name in the signature. One that is not in it, which a test looks for, reads as not given. */
bool arg_given(const struct args *a, const char *name);
uint64_t arg_number(const struct args *a, const char *name);
const char *arg_text(const struct args *a, const char *name);

enum {
	COMMAND_CHANGES = 1, /* logged with its caller */
	COMMAND_INJECTS = 2, /* refused while STOP exists: see stop.h */
	COMMAND_TAKES_BACK = 4, /* and waits for no other command: a reserved place serves it too, see places.h */
};

/* One row of commands.def. */
struct command {
	const char *method;
	void (*handler)(const struct args *a, struct reply *r);
	/* Words NAME:TYPE, the optional ones in brackets at the end. Types: size, unit, ms, number,
	   text, or the words to choose from as in "rate|step|exp". */
	const char *signature;
	unsigned flags;
	const char *help; /* one line for lists, then details */
};

extern const struct command commands[];
extern const unsigned command_count;

const struct command *command_find(const char *method);

/* Has the method COMMAND_TAKES_BACK? */
bool command_takes_back(const char *method);

/* One word of a signature. */
struct command_param {
	char name[COMMAND_PARAM_MAX];
	char type[COMMAND_TYPE_MAX];
	bool optional;
};

/* Reads the parameter at `*at`, which starts out as the signature, and moves on. False at the end. */
bool command_next_param(const char **at, struct command_param *p);

/* "mt.mem_free [size] [unit]" */
#define COMMAND_USAGE_MAX 160
char *command_usage(const struct command *c, char usage[COMMAND_USAGE_MAX]);

/* Matches and converts the arguments. False: refused, and the fault is sent; nothing has happened. */
bool command_bind(const struct command *c, const struct rpc_call *call, struct args *args,
		  struct reply *r);

/* Refuses an unknown method, naming the nearest one. */
void command_fault_unknown(const char *method, struct reply *r);

/* Runs the call; a mistake of the caller's becomes a fault that names it. */
void command_run(const struct rpc_call *call, struct reply *r);

#endif
