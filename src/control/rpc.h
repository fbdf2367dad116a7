/* SPDX-License-Identifier: BSD-2-Clause */
/* What lies between the wires and the commands: a call with its arguments, and a sink for its
   reply. A wire makes the first and implements the second; a handler sees neither wire nor
   socket. All on our thread. */
#ifndef MT_CONTROL_RPC_H
#define MT_CONTROL_RPC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/json.h"
#include "inject/job.h"

/* What a wire knows about an argument's type. A word of digits is a number all the same. RPC_LOOSE is a word
   in which the wire cannot tell "name=value" from a text: a name only where the command has it. */
enum rpc_kind { RPC_NUMBER, RPC_WORD, RPC_DOUBLE, RPC_OTHER, RPC_LOOSE };

struct rpc_arg {
	const char *name; /* NULL: positional */
	const char *text;
	enum rpc_kind kind;
};

#define RPC_ARGS_MAX 16

/* Strings belong to the wire and live until the handler returns. */
struct rpc_call {
	const char *method;
	struct rpc_arg args[RPC_ARGS_MAX];
	unsigned count; /* more than RPC_ARGS_MAX: the rest is not here */
	pid_t pid;      /* the caller's */
	uid_t uid;
};

void rpc_add_arg(struct rpc_call *call, const char *name, const char *text, enum rpc_kind kind);

struct reply;

/* Why a call is refused; the number itself is the fault's code. */
enum rpc_refusal { RPC_REFUSED, RPC_NO_METHOD, RPC_BAD_ARGS };

/* Implemented by each wire. Keys are snake_case; NULL in arrays and at the top. */
struct reply_ops {
	void (*number)(struct reply *r, const char *key, uint64_t value);
	void (*text)(struct reply *r, const char *key, const char *value);
	void (*open)(struct reply *r, const char *key, char bracket); /* '{' or '[' */
	void (*close)(struct reply *r, char bracket);                 /* '}' or ']' */
	void (*fault)(struct reply *r, int code, const char *text);
	void (*end)(struct reply *r);
	void (*progress)(struct reply *r, uint64_t done, uint64_t total); /* NULL: has none */
	bool whole; /* nothing of a reply may leave before its end */
};

struct reply {
	const struct reply_ops *ops;
	struct buf *out;
	unsigned depth;
	bool begun;       /* something was written */
	bool comma;       /* a value has gone before at this depth */
	bool mute;        /* nobody wants an answer */
	enum rpc_refusal refusal;
	bool close;       /* framing is lost: no request can follow */

	/* The wire's: */
	const char *id; /* the JSON id or BINRPC cookie, as it came */
	size_t id_length;
	size_t start;  /* where in `out` the reply begins */
	bool faulted;
	bool too_long; /* for the format: it will be refused at the end */

	/* A document with several requests, which run one after the other. Outlives each of them. */
	struct {
		struct json array;
		struct json_iter next;
		bool open, answered;
	} batch;

	uint64_t progress_ns; /* when to tell next how far a long command is; 0: nobody asked */

	/* A handler that needs longer: see reply_defer. */
	struct job job;
	void (*answer)(struct reply *r);
	bool deferred;
	uint64_t at; /* a listing's place */
	int shift;   /* the unit that sizes are wanted in */
};

/* A reply has one value at the top at most; none is a plain success. */
void reply_number(struct reply *r, const char *key, uint64_t value);
void reply_text(struct reply *r, const char *key, const char *value);
void reply_format(struct reply *r, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reply_open(struct reply *r, const char *key, char bracket);
void reply_close(struct reply *r, char bracket);

/* Refuses: instead of a value, before anything was written. */
void reply_fault(struct reply *r, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The handler returns without an answer; `answer` gives it once the job is done. The job is zeroed
   but for its `done`; the handler hands it to bulk.h or sets its `step`. */
struct job *reply_defer(struct reply *r, void (*answer)(struct reply *r));

#endif
