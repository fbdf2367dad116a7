#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What mtctl prints for an answer: results, refusals, and servers that are none. They are real ones where the
meaning matters, and made ones where the bytes do."""

import os
import re
import subprocess

from ctl import Server, clean, host, isolate, path_of, result_of, run, says, shown
from harness import MTCTL, PATIENCE_S, Client, Place, equal, fact, run_facts

isolate()


# Results.

@fact
def prints_scalars_on_a_line_and_nothing_for_null():
    equal(shown("null"), "")
    equal(shown("9221460"), "9221460\n")
    equal(shown('"one"'), "one\n")
    equal(shown("true"), "true\n")
    equal(shown("18446744073709551615"), "18446744073709551615\n")


@fact
def reads_over_what_a_long_command_tells_of_its_progress():
    told = b'{"jsonrpc":"2.0","method":"progress","params":{"id":1,"done":5,"total":10}}\n'
    for more in ((), ("-t", "60")):
        with Server(3 * told + result_of("5")) as server:
            says(run(*more, "-s", server.path, "a.b"), 0, "5\n")


@fact
def a_real_long_command_tells_of_its_progress():
    with Place() as place, host(place) as program:
        says(run("-s", path_of(place, program), "mt.mem_rnd_alloc", "1", "64", "40m"), 0)


@fact
def prints_the_listing_of_the_specification():
    one = ('{"id":2,"run_time_s":1471,"remaining_s":2128,"allocations":1749,"errors":24,'
           '"overflows":2,"total_alloc":69614530,"min":15360,"max":65536,"total":25600000}')
    two = ('{"id":1,"run_time_s":3600,"remaining_s":0,"allocations":4268,"errors":640,'
           '"overflows":4,"total_alloc":144220713,"min":15360,"max":65536,"total":29696000}')
    equal(shown(f"[{one},{two}]"), """\
{
	ID           : 2
	run time (s) : 1471
	remaining (s): 2128
	allocations  : 1749
	errors       : 24
	overflows    : 2
	total alloc  : 69614530
	min          : 15360
	max          : 65536
	total        : 25600000
}
{
	ID           : 1
	run time (s) : 3600
	remaining (s): 0
	allocations  : 4268
	errors       : 640
	overflows    : 4
	total alloc  : 144220713
	min          : 15360
	max          : 65536
	total        : 29696000
}
""")


@fact
def prints_strings_of_several_lines_as_lines():
    equal(shown('"a\\nb\\n\\nc"'), "a\nb\n\nc\n")
    equal(shown('["a\\nb","c"]'), "a\nb\nc\n")


@fact
def prints_nested_values_a_tab_deeper():
    equal(shown('{"a":{"b":1,"c":[]},"d":[1,{"e":null}],"f":""}'), """\
{
	a            : {
		b            : 1
		c            : [
		]
	}
	d            : [
		1
		{
			e            : null
		}
	]
	f            : \n}
""")
    equal(shown("[]"), "")
    equal(shown("{}"), "{\n}\n")


@fact
def keeps_control_characters_off_the_terminal():
    equal(shown('"\\u001b[2Jx\\ty"'), "?[2Jx?y\n")
    equal(shown('{"k":"a\\nb\\u001b"}'), "{\n\tk            : a?b?\n}\n")
    equal(shown('"gr\\u00fc\\u00df \\ud83d\\ude00"'), "grüß 😀\n")


@fact
def prints_what_the_text_format_prints():
    with Place() as place, host(place, bogus=1) as program:
        path = path_of(place, program)
        run("-s", path, "mt.mem_test_start", "1", "2", "3", "1h", "1h", "1h", "m")
        for line in ("mt.mem_used", "cfg.list", "mt.help", "mt.mem_test_list", "mt.mem_test_list 1 k",
                     "system.methodHelp mt.mem_free", "mt.info", "mt.reset"):
            with Client(path) as client:
                first, *body = client.ask(line).split("\n")
            equal(first, "200 OK")
            got = run("-s", path, *line.split())
            seconds = re.compile(r"(\(s\) *|uptime_s *): \d+")
            equal(seconds.sub("", got.out.rstrip("\n")), seconds.sub("", "\n".join(body)), line)
            equal((got.status, got.err), (0, ""), line)


@fact
def prints_json_results_as_they_come():
    equal(shown("null", "--json"), "null\n")
    equal(shown('{"a":[1,"\\u001b"]}', "-j"), '{"a":[1,"\\u001b"]}\n')


@fact
def takes_replies_of_any_length():
    many = "[" + ",".join(['{"id":123456789}'] * 500_000) + "]"
    equal(shown(many, "-j"), many + "\n")
    equal(shown(many), "{\n\tID           : 123456789\n}\n" * 500_000)


@fact
def fails_when_the_output_cannot_be_written():
    with Server(result_of("1")) as server, open("/dev/full", "w") as full:
        done = subprocess.run([MTCTL, "-s", server.path, "a.b"], stdout=full, text=True,
                              stderr=subprocess.PIPE, timeout=PATIENCE_S, env=clean())
    equal((done.returncode, done.stderr), (
        1, "mtctl: the output could not be written: No space left on device\n"))


# Refusals.

@fact
def prints_a_refusal_on_stderr():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        says(run("-s", path, "mt.mem_test_stop", "99"), 1, "",
             "error: 400 - test 99 not found (mt.mem_test_list shows all)\n")
        says(run("-s", path, "mt.mem_usd"), 1, "",
             "error: 500 - command mt.mem_usd not found, did you mean mt.mem_used?\n")


@fact
def prints_a_refusal_as_json_with_its_own_code():
    with Place() as place, host(place) as program:
        says(run("-s", path_of(place, program), "-j", "mt.mem_test_stop", "99"), 1,
             '{"error":{"code":400,"message":"test 99 not found (mt.mem_test_list shows all)"}}\n')


@fact
def takes_the_code_of_json_rpc_where_there_is_no_other():
    reply = b'{"error":{"code":-32601,"message":"no\\nsuch"},"id":1}\n'
    with Server(reply, reply) as server:
        says(run("-s", server.path, "a.b"), 1, "", "error: -32601 - no?such\n")
        says(run("-s", server.path, "-j", "a.b"), 1,
             '{"error":{"code":-32601,"message":"no\\nsuch"}}\n')


@fact
def says_when_a_server_does_not_speak_json_rpc():
    for reply in (b"200 OK\n", b"{}\n", b"[]\n", b"1\n", b'{"error":1}\n', b'{"error":{}}\n', b"\n",
                  b'{"error":{"code":1,"message":2}}\n', b'{"result":1\n', b"\xff\x00\n"):
        with Server(reply) as server:
            says(run("-s", server.path, "a.b"), 3, "",
                 f"mtctl: what listens on {server.path} does not speak JSON-RPC\n")


@fact
def says_when_the_server_hangs_up():
    for reply in (None, b'{"result":1'):
        with Server(reply, None) as server:
            if reply:  # half a reply, then the end
                server.talk = lambda c, r=reply: (c.recv(1), c.sendall(r))
            done = run("-s", server.path, "a.b")
        equal((done.status, done.out), (3, ""))
        assert re.fullmatch(r"mtctl: process \d+ \(\w+\) closed the connection: it has ended, is in a call of "
                            rf"unshare or the like \(ask again\), or does not accept uid {os.geteuid()}\n", done.err), done.err


run_facts()
