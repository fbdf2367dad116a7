/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats that a connection may speak, message by message. Our thread. */
#ifndef MT_CONTROL_WIRE_H
#define MT_CONTROL_WIRE_H

#include "control/rpc.h"

/* The longest line or packet. */
#define WIRE_REQUEST_MAX ((size_t)64 << 10)

struct wire {
	/* Takes one request off the front of `in` (`len` > 0). It may write into the bytes that it takes,
	   and the call's strings lie there. Returns how many it took, 0 while more has to come; `eof`
	   says that nothing more will. It may take more than there is: a packet that is too long, whose
	   rest is then read over. `r` has its `out`; the wire sets the rest. Without a method in
	   `call` there is nothing to run: a blank line, or a bad request, which is then
	   answered already. */
	size_t (*take)(char *in, size_t len, bool eof, struct rpc_call *call, struct reply *r);

	/* The next request of a batch (reply.batch.open) that `take` has begun; as `take`, and at its end
	   `open` is cleared. NULL: the format has no batches. */
	void (*next)(struct rpc_call *call, struct reply *r);

	/* How its replies are written, before any request is understood. */
	const struct reply_ops *ops;
};

extern const struct wire wire_text;
extern const struct wire wire_json;
extern const struct wire wire_binrpc;

/* By the first byte of a message. */
const struct wire *wire_for(char first);

/* The length of the line at `in` with its newline, 0 while it is incomplete. */
size_t wire_line(const char *in, size_t len, bool eof);

#endif
