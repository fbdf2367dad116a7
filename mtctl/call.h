/* SPDX-License-Identifier: BSD-2-Clause */
/* One call: from words to a request, from a reply to what is shown. */
#ifndef MT_CTL_CALL_H
#define MT_CTL_CALL_H

#include "base/buf.h"
#include "base/json.h"
#include "link.h"

/* Appends the request that `words` are: a method, and arguments that are all positional or all
   name=value. CTL_DONE, or CTL_USAGE with the error said. `id` is not that of another request on the connection. */
int call_request(struct buf *request, char *const *words, unsigned count, unsigned id);

/* Appends a request without arguments. */
void call_simple(struct buf *request, const char *method, unsigned id);

/* A reply, taken apart. The pieces lie in the reply's line. */
struct answer {
	bool unfinished; /* it only tells how far a long command is: the reply follows, and nothing below is set */
	bool refused;
	struct json result;  /* unless refused */
	struct json message; /* a string, where refused */
	long code;
};

/* Reads the reply to the request of this id. 0; -EPROTO where the line is no reply; -EBADMSG where it is that to another
   request. A refusal may be to no request at all (null): its server could not read ours. */
int call_read(const char *line, size_t len, unsigned id, struct answer *a);

/* Waits for the reply, past lines that tell of progress. 0, or -errno as link_line and call_read. */
int call_wait(struct link *l, unsigned id, struct answer *a);

/* A member of a result. False unless it is of that type: a whole number from 0 that fits; a string that fits. */
bool call_number(struct json object, const char *key, uint64_t *number);
bool call_text(struct json object, const char *key, char *out, size_t cap);

/* Shows the answer. CTL_DONE or CTL_REFUSED. */
int call_show(const struct answer *a);

#endif
