/* SPDX-License-Identifier: BSD-2-Clause */
/* BINRPC version 1, as Kamailio's ctl module and kamcmd speak it. A packet is a header (magic and
   version, type and the widths of the next two, body length, cookie) and a body of typed records. kamcmd
   reads a reply's header in one go and gives up on more than 128 KiB, so a reply is built whole. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/label.h"
#include "control/wire.h"

#define MAGIC 0xA1
#define HEADER_MAX 10
#define REPLY_BODY_MAX ((size_t)131072 - HEADER_MAX)

enum { TYPE_REQUEST = 0, TYPE_REPLY = 1, TYPE_FAULT = 3 };

enum {
	RECORD_INT = 0,
	RECORD_STRING = 1,
	RECORD_DOUBLE = 2,
	RECORD_STRUCT = 3,
	RECORD_ARRAY = 4,
	RECORD_NAME = 5,
	RECORD_BYTES = 6,
	RECORD_END = 8 /* in the size bits of a struct or array */
};

/* A packet's parts, as the header has them. */
struct packet {
	unsigned type;
	size_t header, body;
	const unsigned char *cookie;
	unsigned cookie_length;
};

static uint64_t big_endian(const unsigned char *at, size_t length)
{
	uint64_t value = 0;

	while (length--)
		value = value << 8 | *at++;
	return value;
}

/* Needs two bytes; false while the rest of the header has to come. */
static bool read_header(const unsigned char *in, size_t len, struct packet *p)
{
	size_t width = (in[1] >> 2 & 3) + 1u;

	p->type = in[1] >> 4;
	p->cookie_length = (in[1] & 3) + 1u;
	p->header = 2 + width + p->cookie_length;
	if (len < p->header)
		return false;
	p->body = (size_t)big_endian(in + 2, width);
	p->cookie = in + 2 + width;
	return true;
}

/* One record of a body. */
struct record {
	unsigned type;
	bool closes; /* the end of a struct or array */
	unsigned char *data;
	size_t length;
};

/* Reads the record at `*at`. False where the body ends inside it. */
static bool next_record(unsigned char **at, unsigned char *end, struct record *r)
{
	unsigned char *p = *at;
	unsigned first, size;

	if (p == end)
		return false;
	first = *p++;
	size = first >> 4;
	r->type = first & 15;
	r->closes = (r->type == RECORD_STRUCT || r->type == RECORD_ARRAY) && size == RECORD_END;
	r->length = r->type == RECORD_STRUCT || r->type == RECORD_ARRAY ? 0 : size & 7;
	if (size & 8 && !r->closes && r->length) {
		if ((size_t)(end - p) < r->length)
			return false;
		size = (unsigned)r->length;
		r->length = (size_t)big_endian(p, size);
		p += size;
	}
	if ((size_t)(end - p) < r->length)
		return false;
	r->data = p;
	*at = p + r->length;
	return true;
}

/* A string's length counts its NUL, and that is its only one. */
static const char *record_string(const struct record *r)
{
	if (r->type != RECORD_STRING || !r->length ||
	    r->data[r->length - 1] != 0 ||
	    memchr(r->data, 0, r->length - 1))
		return NULL;
	return (const char *)r->data;
}

/* Decimal texts of a call's numbers; only our thread decodes. Those too many share the last. */
static char numbers[RPC_ARGS_MAX + 1][32];

/* Integers are big-endian in as few bytes as will do; of four bytes (and eight) the first bit is the
   sign. Doubles are thousandths. */
static void add_number(struct rpc_call *call, const struct record *r)
{
	char *text = numbers[call->count < RPC_ARGS_MAX ? call->count : RPC_ARGS_MAX];
	uint64_t value = big_endian(r->data, r->length);
	bool negative = (r->length == 4 || r->length == 8) && r->data[0] & 0x80;

	if (negative)
		value = r->length == 4 ? UINT64_C(0x100000000) - value : -value;
	if (r->type == RECORD_INT) {
		snprintf(text, sizeof(numbers[0]), "%s%" PRIu64, negative ? "-" : "", value);
		rpc_add_arg(call, NULL, text, RPC_NUMBER);
	} else {
		snprintf(text, sizeof(numbers[0]), "%s%" PRIu64 ".%03u", negative ? "-" : "",
			 value / 1000, (unsigned)(value % 1000));
		rpc_add_arg(call, NULL, text, RPC_DOUBLE);
	}
}

/* Reads over a struct or array whose opening record has been read: structure counts, content does
   not, since no command takes one. */
static bool skip_nested(unsigned char **at, unsigned char *end)
{
	unsigned depth = 1;
	struct record r;

	while (depth) {
		if (!next_record(at, end, &r))
			return false;
		if (r.type == RECORD_STRUCT || r.type == RECORD_ARRAY)
			depth = r.closes ? depth - 1 : depth + 1;
	}
	return true;
}

/* NULL, or what is wrong with the body. */
static const char *read_body(unsigned char *at, unsigned char *end, struct rpc_call *call)
{
	struct record r;
	const char *text;

	if (!next_record(&at, end, &r) || !(text = record_string(&r)))
		return "the packet does not begin with a method";
	call->method = text;
	while (at < end) {
		if (!next_record(&at, end, &r) || r.closes)
			return "a record ends outside the packet";
		switch (r.type) {
		case RECORD_INT:
		case RECORD_DOUBLE:
			if (r.length > 8)
				return "a number of more than 8 bytes";
			add_number(call, &r);
			break;
		case RECORD_STRING:
			text = record_string(&r);
			if (!text)
				return "a string without its NUL, or with two";
			rpc_add_arg(call, NULL, text, RPC_LOOSE); /* kamcmd has no quotes */
			break;
		case RECORD_STRUCT:
		case RECORD_ARRAY:
			if (!skip_nested(&at, end))
				return "a struct or array without an end";
			rpc_add_arg(call, NULL, r.type == RECORD_STRUCT ? "struct" : "array",
				    RPC_OTHER);
			break;
		default:
			return "a record of unknown type";
		}
	}
	return NULL;
}

static void answer_bad(struct rpc_call *call, struct reply *r, const char *what)
{
	call->method = NULL;
	reply_fault(r, 400, "bad BINRPC packet: %s", what);
	r->ops->end(r);
}

static size_t binrpc_take(char *in, size_t len, bool eof, struct rpc_call *call, struct reply *r)
{
	unsigned char *bytes = (unsigned char *)in;
	struct packet p;
	const char *error;

	(void)eof; /* a packet says how long it is */
	r->ops = wire_binrpc.ops;
	if (bytes[0] != MAGIC) {
		r->close = true; /* where the next packet would begin nobody can say */
		answer_bad(call, r, "its magic and version are not A1");
		return len;
	}
	if (len < 2 || !read_header(bytes, len, &p))
		return 0;
	r->id = (const char *)p.cookie;
	r->id_length = p.cookie_length;
	if (p.header + p.body > WIRE_REQUEST_MAX) {
		answer_bad(call, r, "it is longer than 65536 bytes");
		return p.header + p.body;
	}
	if (len < p.header + p.body)
		return 0;
	if (p.type != TYPE_REQUEST)
		error = "it is no request";
	else
		error = read_body(bytes + p.header, bytes + p.header + p.body, call);
	if (error)
		answer_bad(call, r, error);
	return p.header + p.body;
}

static void begin(struct reply *r)
{
	static const char room[HEADER_MAX];

	if (r->begun)
		return;
	r->begun = true;
	r->start = r->out->len;
	buf_add(r->out, room, sizeof(room));
}

static size_t body_length(const struct reply *r)
{
	return r->out->len - r->start - HEADER_MAX;
}

/* A value more? Not once the reply is too long for kamcmd: then its end becomes a fault. */
static bool start_value(struct reply *r)
{
	begin(r);
	if (body_length(r) > REPLY_BODY_MAX)
		r->too_long = true;
	return !r->too_long;
}

static void put_record(struct buf *b, unsigned type, const void *data, size_t length)
{
	unsigned char size[4];
	unsigned width = 0;

	if (length < 8) {
		buf_char(b, (char)(length << 4 | type));
	} else {
		for (size_t left = length; left; left >>= 8)
			size[3 - width++] = (unsigned char)left;
		buf_char(b, (char)((8 | width) << 4 | type));
		buf_add(b, size + 4 - width, width);
	}
	buf_add(b, data, length);
}

static void put_int(struct buf *b, uint32_t value)
{
	unsigned char bytes[4];
	unsigned width = 0;

	for (; value; value >>= 8)
		bytes[3 - width++] = (unsigned char)value;
	put_record(b, RECORD_INT, bytes + 4 - width, width);
}

static void put_string(struct buf *b, unsigned type, const char *text)
{
	put_record(b, type, text, strlen(text) + 1);
}

/* kamcmd prints names as they come, so the columns are made here. It does not parse an array inside a
   struct, so such arrays go as structs, whose elements need names too. */
static void put_name(struct reply *r, const char *key)
{
	char name[64];

	if (!key && r->depth)
		key = "-";
	if (!key)
		return;
	snprintf(name, sizeof(name), "%-13s", label_of(key));
	put_string(r->out, RECORD_NAME, name);
}

/* An integer has 31 bits here; what is larger goes as a string, which kamcmd prints as it is. */
static void binrpc_number(struct reply *r, const char *key, uint64_t value)
{
	char text[24];

	if (!start_value(r))
		return;
	put_name(r, key);
	if (value <= INT32_MAX) {
		put_int(r->out, (uint32_t)value);
	} else {
		snprintf(text, sizeof(text), "%" PRIu64, value);
		put_string(r->out, RECORD_STRING, text);
	}
}

static void binrpc_text(struct reply *r, const char *key, const char *value)
{
	if (!start_value(r))
		return;
	put_name(r, key);
	put_string(r->out, RECORD_STRING, value);
}

static bool is_top_array(const struct reply *r, char bracket)
{
	return r->depth == 0 && (bracket == '[' || bracket == ']');
}

/* An array at the top is its elements one after the other, as the original sends them. */
static void binrpc_open(struct reply *r, const char *key, char bracket)
{
	if (r->depth == 0 && bracket == '[' && !r->begun) {
		begin(r);
		return;
	}
	if (start_value(r)) {
		put_name(r, key);
		buf_char(r->out, RECORD_STRUCT);
	}
	r->depth++;
}

static void binrpc_close(struct reply *r, char bracket)
{
	if (is_top_array(r, bracket))
		return;
	r->depth--;
	if (start_value(r))
		buf_char(r->out, (char)(RECORD_END << 4 | RECORD_STRUCT));
}

static void binrpc_fault(struct reply *r, int code, const char *text)
{
	begin(r);
	r->faulted = true;
	put_int(r->out, (uint32_t)code);
	put_string(r->out, RECORD_STRING, text);
}

/* Puts the header, which can be written only now, in front of the body. */
static void binrpc_end(struct reply *r)
{
	unsigned char header[HEADER_MAX];
	size_t length, n = 2;
	unsigned type, width = 1;
	unsigned cookie = r->id_length ? (unsigned)r->id_length : 1;

	begin(r);
	if (r->too_long || body_length(r) > REPLY_BODY_MAX) {
		r->out->len = r->start + HEADER_MAX;
		binrpc_fault(r, 500, "the reply is longer than the 131072 bytes of this format: "
				     "ask for a part, as in mt.mem_test_list id");
	}
	if (r->out->failed)
		return;
	length = body_length(r);
	while (length >> (8 * width))
		width++;
	header[0] = MAGIC;
	type = r->faulted ? TYPE_FAULT : TYPE_REPLY;
	header[1] = (unsigned char)(type << 4 | (width - 1) << 2 | (cookie - 1));
	for (unsigned i = width; i--;)
		header[n++] = (unsigned char)(length >> (8 * i));
	for (unsigned i = 0; i < cookie; i++)
		header[n++] = (unsigned char)(r->id_length ? r->id[i] : 0);
	memcpy(r->out->data + r->start, header, n);
	memmove(r->out->data + r->start + n, r->out->data + r->start + HEADER_MAX, length);
	r->out->len = r->start + n + length;
}

static const struct reply_ops binrpc_ops = {
	.number = binrpc_number,
	.text = binrpc_text,
	.open = binrpc_open,
	.close = binrpc_close,
	.fault = binrpc_fault,
	.end = binrpc_end,
	.whole = true,
};

const struct wire wire_binrpc = { .take = binrpc_take, .ops = &binrpc_ops };
