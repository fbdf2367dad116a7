/* SPDX-License-Identifier: BSD-2-Clause */
/* BINRPC as kamcmd speaks it: reading packets, and the exact bytes of every kind of reply. Bytes are
   written as hexadecimal digits, with text between apostrophes. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/wire.h"
#include "tests/unit.h"

static char in[1 << 17];
static struct rpc_call call;
static struct buf out;
static struct reply reply;

/* "a1 03 'k' 00" as bytes; returns how many. */
static size_t encode(const char *written, char *bytes)
{
	size_t n = 0;

	while (*written) {
		char digits[3] = { written[0], written[1] };

		if (*written == ' ') {
			written++;
		} else if (*written == '\'') {
			for (written++; *written != '\''; written++)
				bytes[n++] = *written;
			written++;
		} else {
			ck_assert(isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]));
			bytes[n++] = (char)strtoul(digits, NULL, 16);
			written += 2;
		}
	}
	return n;
}

static size_t take(const char *bytes, size_t len)
{
	memmove(in, bytes, len);
	call = (struct rpc_call){ 0 };
	buf_clear(&out, 0);
	reply = (struct reply){ .out = &out };
	return wire_binrpc.take(in, len, false, &call, &reply);
}

static void check_out(const char *written)
{
	char bytes[1024];
	size_t len = encode(written, bytes);

	ck_assert_uint_eq(out.len, len);
	ck_assert_mem_eq(out.data, bytes, len);
}

/* A request of method "m" with these records behind it; the cookie is 77. */
static void take_with(const char *records)
{
	char written[400], packet[200], body[200];
	size_t len = encode(records, body), packet_len;

	snprintf(written, sizeof(written), "a1 00 %02zx 77 21 'm' 00 %s", len + 3, records);
	packet_len = encode(written, packet);
	ck_assert_uint_eq(take(packet, packet_len), packet_len);
}

static const char *call_text(void)
{
	static const char kinds[] = { [RPC_NUMBER] = '#', [RPC_LOOSE] = '$', [RPC_DOUBLE] = '.',
				      [RPC_OTHER] = '?' };
	static char text[512];
	int n = snprintf(text, sizeof(text), "%s", call.method ? call.method : "");

	for (unsigned i = 0; i < call.count && i < RPC_ARGS_MAX; i++) {
		ck_assert_ptr_null(call.args[i].name);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "|%c%s", kinds[call.args[i].kind],
			      call.args[i].text);
	}
	return text;
}

#define ALLOC "a1 03 14 12345678 91 0d 'mt.mem_alloc' 00 10 0a 21 'k' 00"

START_TEST(kamcmds_packet_is_read_once_it_is_complete)
{
	char packet[64];
	size_t len = encode(ALLOC " a1", packet);

	for (size_t part = 1; part < len - 1; part++) {
		ck_assert_uint_eq(take(packet, part), 0);
		ck_assert_uint_eq(out.len, 0);
	}
	ck_assert_uint_eq(take(packet, len), len - 1);
	ck_assert_str_eq(call_text(), "mt.mem_alloc|#10|$k");
	reply.ops->end(&reply);
	check_out("a1 13 00 12345678");
}
END_TEST

START_TEST(records_of_every_kind_become_arguments)
{
	static const char *const records[][2] = {
		{ "", "m" },
		{ "00", "m|#0" },
		{ "10 ff", "m|#255" },
		{ "40 7fffffff", "m|#2147483647" },
		{ "40 ffffffff", "m|#-1" },
		{ "40 80000000", "m|#-2147483648" },
		{ "50 0100000000", "m|#4294967296" },
		{ "90 08 7fffffffffffffff", "m|#9223372036854775807" },
		{ "22 05dc", "m|.1.500" },
		{ "02", "m|.0.000" },
		{ "42 fffffa24", "m|.-1.500" },
		{ "11 00", "m|$" },
		{ "91 03 'ab' 00", "m|$ab" },
		{ "03 15 00 10 05 83 10 01", "m|?struct|#1" },
		{ "04 04 10 05 84 03 83 84 21 'z' 00", "m|?array|$z" },
	};

	for (size_t i = 0; i < COUNT(records); i++) {
		take_with(records[i][0]);
		ck_assert_uint_eq(out.len, 0);
		ck_assert_str_eq(call_text(), records[i][1]);
	}
}
END_TEST

START_TEST(many_arguments_are_counted_not_overrun)
{
	take_with("10 01 10 02 10 03 10 04 10 05 10 06 10 07 10 08 10 09 10 0a 10 0b 10 0c 10 0d 10 0e "
		  "10 0f 10 10 10 11 10 12 10 13");
	ck_assert_uint_eq(call.count, 19);
	ck_assert_str_eq(call.args[RPC_ARGS_MAX - 1].text, "16");
}
END_TEST

/* The fault is int 400 and a string; the reply's cookie is the request's. */
static void check_fault(const char *text)
{
	char expected[200];

	ck_assert_ptr_null(call.method);
	snprintf(expected, sizeof(expected), "a1 30 %02zx 77 20 0190 91 %02zx '%s' 00",
		 strlen(text) + 1 + 5, strlen(text) + 1, text);
	check_out(expected);
}

START_TEST(bad_bodies_are_answered_and_the_connection_goes_on)
{
	static const char *const bad[][2] = {
		{ "83", "a record ends outside the packet" },
		{ "20 05", "a record ends outside the packet" },
		{ "91 ff 'ab' 00", "a record ends outside the packet" },
		{ "c0", "a record ends outside the packet" },
		{ "01", "a string without its NUL, or with two" },
		{ "21 'ab'", "a string without its NUL, or with two" },
		{ "31 'a' 00 00", "a string without its NUL, or with two" },
		{ "90 09 000000000000000001", "a number of more than 8 bytes" },
		{ "03 10 05", "a struct or array without an end" },
		{ "04 04 84", "a struct or array without an end" },
		{ "16 00", "a record of unknown type" },
		{ "07", "a record of unknown type" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		char text[120];

		take_with(bad[i][0]);
		snprintf(text, sizeof(text), "bad BINRPC packet: %s", bad[i][1]);
		check_fault(text);
		ck_assert(!reply.close);
	}
}
END_TEST

START_TEST(packets_that_are_no_requests_are_answered)
{
	static const char *const bad[][2] = {
		{ "a1 10 03 77 21 'm' 00", "bad BINRPC packet: it is no request" },
		{ "a1 00 00 77", "bad BINRPC packet: the packet does not begin with a method" },
		{ "a1 00 02 77 10 05", "bad BINRPC packet: the packet does not begin with a method" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		char packet[64];
		size_t len = encode(bad[i][0], packet);

		ck_assert_uint_eq(take(packet, len), len);
		check_fault(bad[i][1]);
	}
}
END_TEST

START_TEST(bad_magic_ends_the_conversation)
{
	char packet[16];
	size_t len = encode("a2 00 03 77 21 'm' 00", packet);

	ck_assert_uint_eq(take(packet, len), len);
	ck_assert(reply.close);
	ck_assert_ptr_null(call.method);
	check_out("a1 30 39 00 20 0190 91 34 'bad BINRPC packet: its magic and version are not A1' 00");
}
END_TEST

START_TEST(packet_that_is_too_long_is_refused_by_its_header)
{
	char packet[16];
	size_t len = encode("a1 08 010000 77", packet); /* three bytes of length, 65536 */

	ck_assert_uint_eq(take(packet, len), len + 65536);
	check_fault("bad BINRPC packet: it is longer than 65536 bytes");
	ck_assert(!reply.close);
}
END_TEST

static void check_reply(const char *records)
{
	char expected[600], bytes[300];
	size_t len = encode(records, bytes);

	reply.ops->end(&reply);
	snprintf(expected, sizeof(expected), "a1 10 %02zx 77 %s", len, records);
	check_out(expected);
	take_with("");
}

START_TEST(numbers_take_as_few_bytes_as_will_do)
{
	static const struct {
		uint64_t value;
		const char *record;
	} numbers[] = {
		{ 0, "00" },
		{ 1, "10 01" },
		{ 255, "10 ff" },
		{ 256, "20 0100" },
		{ 65536, "30 010000" },
		{ 2147483647, "40 7fffffff" },
		{ 2147483648, "91 0b '2147483648' 00" },
		{ UINT64_MAX, "91 15 '18446744073709551615' 00" },
	};

	take_with("");
	for (size_t i = 0; i < COUNT(numbers); i++) {
		reply_number(&reply, NULL, numbers[i].value);
		check_reply(numbers[i].record);
	}
}
END_TEST

#define NAME_ID "95 0e 'ID           ' 00 "
#define NAME_NONE "95 0e '-            ' 00 "

START_TEST(texts_structs_and_arrays_are_records)
{
	take_with("");
	reply_text(&reply, NULL, "short");
	check_reply("61 'short' 00");
	reply_text(&reply, NULL, "seven c");
	check_reply("91 08 'seven c' 00");
	reply_open(&reply, NULL, '[');
	for (unsigned i = 1; i <= 2; i++) {
		reply_open(&reply, NULL, '{');
		reply_number(&reply, "id", i);
		reply_close(&reply, '}');
	}
	reply_close(&reply, ']');
	check_reply("03 " NAME_ID "10 01 83 03 " NAME_ID "10 02 83");
	reply_open(&reply, NULL, '{');
	reply_open(&reply, "id", '[');
	reply_number(&reply, NULL, 7);
	reply_close(&reply, ']');
	reply_close(&reply, '}');
	check_reply("03 " NAME_ID "03 " NAME_NONE "10 07 83 83");
	reply_open(&reply, NULL, '[');
	reply_close(&reply, ']');
	check_reply("");
}
END_TEST

START_TEST(fault_has_its_type_and_code)
{
	take_with("");
	reply_fault(&reply, 500, "no");
	reply.ops->end(&reply);
	check_out("a1 30 07 77 20 01f4 31 'no' 00");
}
END_TEST

START_TEST(reply_goes_behind_others_with_a_longer_length)
{
	char lengthy[301];

	memset(lengthy, 'x', 300);
	lengthy[300] = '\0';
	take_with("");
	buf_str(&out, "before");
	reply_text(&reply, NULL, lengthy);
	reply.ops->end(&reply);
	ck_assert_uint_eq(out.len, 6 + 5 + 3 + 301);
	ck_assert_mem_eq(out.data, "before\xa1\x14\x01\x30\x77\xa1\x01\x2dxxx", 17);
}
END_TEST

/* kamcmd gives up on more than 131072 bytes. */
START_TEST(reply_that_is_too_long_becomes_a_fault)
{
	for (unsigned count = 16000; count <= 17000; count += 1000) {
		take_with("");
		reply_open(&reply, NULL, '[');
		for (unsigned i = 0; i < count; i++)
			reply_text(&reply, NULL, "sixth."); /* of 7 bytes, and one for the record */
		reply_close(&reply, ']');
		reply.ops->end(&reply);
		ck_assert_uint_le(out.len, 131072);
		ck_assert_int_eq(out.data[1] >> 4, count * 8 > 131072 ? 3 : 1);
	}
	ck_assert_uint_lt(out.len, 200);
}
END_TEST

START_TEST(last_value_may_be_the_one_too_many)
{
	static char lengthy[140000];

	memset(lengthy, 'x', sizeof(lengthy) - 1);
	take_with("");
	reply_text(&reply, NULL, lengthy);
	reply.ops->end(&reply);
	ck_assert_uint_lt(out.len, 200);
	ck_assert_int_eq(out.data[1] >> 4, 3);
}
END_TEST

UNIT_SUITE(wire_binrpc, kamcmds_packet_is_read_once_it_is_complete,
	   records_of_every_kind_become_arguments, many_arguments_are_counted_not_overrun,
	   bad_bodies_are_answered_and_the_connection_goes_on,
	   packets_that_are_no_requests_are_answered, bad_magic_ends_the_conversation,
	   packet_that_is_too_long_is_refused_by_its_header, numbers_take_as_few_bytes_as_will_do,
	   texts_structs_and_arrays_are_records, fault_has_its_type_and_code,
	   reply_goes_behind_others_with_a_longer_length, reply_that_is_too_long_becomes_a_fault,
	   last_value_may_be_the_one_too_many)
