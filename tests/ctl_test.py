#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl's words and what it prints for them: options, requests, results, errors, stdin. The servers are
real ones where the meaning matters, and made ones where the bytes do."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from ctl import (Server, alone, clean, freeze, host, isolate, path_of, request_for, result_of, run,
                 says, shown)
from harness import (MTCTL, PATIENCE_S, Client, Place, Program, equal, fact, run_facts, wait_for)

isolate()


# Options and words.

@fact
def refuses_to_guess_what_to_do():
    says(run(), 2, "", "mtctl: what to do? A method as mt.mem_used, or ls, run, - or help\n")


@alone
def help_begins_with_a_line_that_can_be_pasted():
    done = run("--help")
    equal((done.status, done.err), (0, ""))
    line = done.out.splitlines()[0]
    assert line.startswith("mtctl run -- sleep 1000 & sleep 1; mtctl "), line
    with Place() as place:
        env = clean(MTPRELOAD_DIR=place.run, PATH=f"{os.path.dirname(MTCTL)}:{os.environ['PATH']}")
        pasted = subprocess.run(["sh", "-c", line + "; kill $!"], env=env, capture_output=True,
                                text=True, timeout=PATIENCE_S)
    equal((pasted.returncode, pasted.stdout, pasted.stderr), (0, "10\n", ""))


@fact
def help_names_every_option_and_command():
    text = run("-h").out
    for word in ("-p, --pid PID", "-n, --name NAME", "-s, --socket SOCKET", "--all", "-j, --json",
                 "-t, --timeout SEC", "-h, --help", "--version", "run [--set K=V]", "  ls ",
                 "  - ", "help [METHOD]", "exit status: 0 done, 1 refused, 2 usage"):
        assert word in text, word
    equal(max(map(len, text.splitlines())) <= 100, True, "width")
    for words in (["help"], ["--help"], ["help", "ls"], ["ls", "--help"], ["run", "--help"]):
        says(run(*words), 0, text)


@fact
def prints_its_version():
    says(run("--version"), 0, "mtctl 0.1.0\n")


@fact
def refuses_unknown_option():
    says(run("--jsno", "mt.info"), 2, "", "mtctl: unknown option --jsno, did you mean --json?\n")
    says(run("mt.info", "--tiemout=3"), 2, "",
         "mtctl: unknown option --tiemout, did you mean --timeout?\n")
    says(run("-x"), 2, "", "mtctl: unknown option -x (mtctl --help)\n")


@fact
def refuses_option_without_its_value():
    says(run("mt.info", "-p"), 2, "", "mtctl: -p needs a value: PID\n")
    says(run("--timeout"), 2, "", "mtctl: --timeout needs a value: SEC\n")
    says(run("--all=1"), 2, "", "mtctl: --all takes no value: '--all=1'\n")


@fact
def refuses_bad_values():
    for bad in ("0", "x", "1x", "-3", "99999999999", ""):
        says(run("-p", bad, "a.b"), 2, "",
             f"mtctl: -p '{bad}' is no process id (a whole number; mtctl ls)\n")
    for bad in ("", "x", "1s", "-1", "nan", "inf", "1e3", "0x10", ".", "1.2.3", "9999999999999"):
        says(run("-t", bad, "a.b"), 2, "",
             f"mtctl: -t '{bad}' is no time (seconds, as in 2 or 0.5; 0 waits for ever)\n")
    says(run("-n", "", "a.b"), 2, "", "mtctl: -n needs the name of a program\n")
    says(run("-s", "", "a.b"), 2, "", "mtctl: -s needs the path of a socket\n")


@fact
def refuses_two_kinds_of_target():
    says(run("-p", "1", "-n", "x", "a.b"), 2, "",
         "mtctl: -p, -n and -s each name a target: give one of them\n")


@fact
def takes_values_in_every_spelling():
    with Server(*[result_of("1")] * 4) as server:
        for words in (["-s", server.path], [f"-s{server.path}"], ["--socket", server.path],
                      [f"--socket={server.path}"]):
            says(run(*words, "a.b"), 0, "1\n")


@fact
def refuses_unknown_words_and_names_the_nearest():
    for word, meant in (("mem_alloc", "mt.mem_alloc"), ("mem_alocc", "mt.mem_alloc"),
                        ("reset", "mt.reset"), ("list", "cfg.list"), ("lss", "ls"), ("rnu", "run"),
                        ("hlep", "help"), ("listMethods", "system.listMethods")):
        says(run(word), 2, "", f"mtctl: unknown command '{word}', did you mean {meant}?\n")
    says(run("qqqqqqqq"), 2, "", "mtctl: unknown command 'qqqqqqqq' "
                                 "(a method has a dot, as mt.mem_used; mtctl help)\n")


@fact
def each_method_of_ours_is_meant_by_its_name_alone():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            names = [name for name in client.call("system.listMethods") if name.startswith("mt.")]
    for name in names:
        word = name.removeprefix("mt.")
        if word != "help":  # which mtctl has itself
            says(run(word), 2, "", f"mtctl: unknown command '{word}', did you mean {name}?\n")


@fact
def says_usage_errors_as_json_too():
    says(run("-j", "lss"), 2,
         '{"error":{"code":2,"message":"unknown command \'lss\', did you mean ls?"}}\n')


# Requests.

@fact
def sends_positional_arguments_as_strings():
    equal(request_for("a.b"), ['{"jsonrpc":"2.0","method":"a.b","params":[],"id":1}\n'])
    equal(request_for("a.b", "10", "k \"x\"\\"),
          ['{"jsonrpc":"2.0","method":"a.b","params":["10","k \\"x\\"\\\\"],"id":1}\n'])


@fact
def sends_named_arguments_by_name():
    equal(request_for("a.b", "size=10", "unit=k"),
          ['{"jsonrpc":"2.0","method":"a.b","params":{"size":"10","unit":"k"},"id":1}\n'])
    equal(request_for("a.b", "value=a=b"),
          ['{"jsonrpc":"2.0","method":"a.b","params":{"value":"a=b"},"id":1}\n'])


@fact
def takes_only_an_identifier_for_a_name():
    equal(json.loads(request_for("a.b", "=1", "A=1", "a1=2", "/x=3")[0])["params"],
          ["=1", "A=1", "a1=2", "/x=3"])


@fact
def refuses_to_mix_named_and_positional():
    says(run("mt.mem_alloc", "size=1", "m"), 2, "",
         "mtctl: 'size=1' has a name and 'm' has none (name all arguments or none; a text with a = "
         "in it is given as NAME=TEXT too)\n")


@fact
def drops_one_double_dash():
    equal(json.loads(request_for("a.b", "--", "-x", "--", "--json")[0])["params"],
          ["-x", "--", "--json"])


@fact
def takes_a_negative_number_for_an_argument():
    equal(json.loads(request_for("a.b", "-5", "-.5", "-")[0])["params"], ["-5", "-.5", "-"])


@fact
def reads_options_behind_the_method():
    with Server(result_of("[1]")) as server:
        says(run("a.b", "1", "-s", server.path, "--json"), 0, "[1]\n")
        equal(json.loads(server.received[0])["params"], ["1"])


@fact
def replaces_bytes_that_are_no_utf8():
    equal(json.loads(request_for("a.b", b"x\xffy")[0])["params"], ["x\ufffdy"])


# Results.

@fact
def prints_scalars_on_a_line_and_nothing_for_null():
    equal(shown("null"), "")
    equal(shown("9221460"), "9221460\n")
    equal(shown('"one"'), "one\n")
    equal(shown("true"), "true\n")
    equal(shown("18446744073709551615"), "18446744073709551615\n")


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
        assert re.fullmatch(r"mtctl: process \d+ \(\w+\) closed the connection: it has ended, or does "
                            rf"not accept uid {os.geteuid()}\n", done.err), done.err


# Time.

def sleeps(pid):
    """Has mtctl connected, and does it wait now?"""
    with open(f"/proc/{pid}/stat") as stat:
        return os.path.exists(f"/proc/{pid}/fd/3") and ") S " in stat.read()


@fact
def a_stopped_host_is_a_timeout():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        start = time.monotonic()
        says(run("-s", path, "-t", "0.3", "mt.mem_used"), 4, "",
             f"mtctl: process {program.pid} (sleep) did not answer within 0.3 s "
             "(is it stopped? -t SEC waits longer)\n")
        assert 0.3 <= time.monotonic() - start < 5
        done = run("-s", path, "-j", "-t", ".1", "mt.mem_used")
        equal((done.status, done.err, json.loads(done.out)["error"]["code"]), (4, "", 4))


@fact
def a_full_queue_is_a_timeout_too():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        filler = ("import socket, sys, time\nkept = []\nwhile True:\n s = socket.socket(socket.AF_UNIX)\n"
                  " s.setblocking(False)\n kept.append(s)\n try: s.connect(sys.argv[1])\n"
                  " except BlockingIOError: break\nprint('full', flush=True)\ntime.sleep(1000)\n")
        with Program([sys.executable, "-c", filler, path], env=clean(),
                     stdout=subprocess.PIPE) as full:
            equal(full.process.stdout.readline(), b"full\n")
            equal(run("-s", path, "-t", "0.2", "mt.mem_used").status, 4)
            equal(run("-p", str(program.pid), "-t", "0.2", "mt.mem_used",
                      env=clean(MTPRELOAD_DIR=place.run)).status, 4)


@fact
def a_given_time_is_the_whole_reply_s():
    with Server() as server:
        def drip(connection):
            while True:
                connection.sendall(b" ")
                time.sleep(0.01)

        def flood(connection):
            while True:
                connection.sendall(b" " * 1_000_000)

        for server.talk in (drip, flood):
            start = time.monotonic()
            equal(run("-s", server.path, "-t", "0.1", "a.b").status, 4)
            assert time.monotonic() - start < 5


@fact
def a_time_of_zero_waits_until_the_host_goes_on():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        with Program([MTCTL, "-s", path, "-t", "0", "mt.mem_used"], env=clean(),
                     stdout=subprocess.PIPE) as waiting:
            wait_for(lambda: sleeps(waiting.pid), "mtctl to wait")
            equal(waiting.process.poll(), None)
            program.process.send_signal(signal.SIGCONT)
            equal(waiting.process.communicate(timeout=PATIENCE_S)[0], b"0\n")
            equal(waiting.process.returncode, 0)


@fact
def ctrl_c_ends_it_as_a_shell_expects():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        # Ended by the signal itself, which a shell shows as 130.
        with Program([MTCTL, "-s", path, "mt.mem_used"], env=clean()) as waiting:
            wait_for(lambda: sleeps(waiting.pid), "mtctl to wait")
            equal(waiting.stop(signal.SIGINT), -signal.SIGINT)


# Commands from stdin.

@fact
def runs_commands_from_stdin_on_one_connection():
    with Server(result_of("1"), result_of("null"), result_of("[2]")) as server:
        says(run("-s", server.path, "-", stdin="a.b 1\n\n  # no\n\t c.d\tx=1\r\ne.f -- \"a  b\" \"\" \"c\n"),
             0, "1\n2\n")
        equal([json.loads(line)["params"] for line in server.received],
              [["1"], {"x": "1"}, ["a  b", "", '"c']])


@fact
def goes_on_after_refused_and_wrong_lines():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        says(run("-s", path, "-", stdin="mt.mem_alloc 3k\nmt.mem_test_stop 7\nmt.mem_used k\n"), 1,
             "3\n", "error: 400 - test 7 not found (mt.mem_test_list shows all)\n")
        says(run("-s", path, "-", stdin="mem_used\nls\nmt.mem_free k=1 2\nmt.mem_used k"), 2, "3\n",
             "mtctl: unknown command 'mem_used', did you mean mt.mem_used?\n"
             "mtctl: 'ls' is no method (on its own: mtctl ls)\n"
             "mtctl: 'k=1' has a name and '2' has none (name all arguments or none; a text with a = "
             "in it is given as NAME=TEXT too)\n")
        says(run("-s", path, "-j", "-", stdin="mt.mem_used k\nmt.mem_test_stop 7\n"), 1,
             '3\n{"error":{"code":400,"message":"test 7 not found (mt.mem_test_list shows all)"}}\n')


@fact
def stops_reading_once_the_host_is_lost():
    with Server(result_of("1"), None, result_of("2")) as server:
        done = run("-s", server.path, "-", stdin="a.b\n" * 5)
        equal((done.status, done.out, len(done.err.splitlines())), (3, "1\n", 1))
        equal(len(server.received), 2)
    with Server(None) as server, \
            Program([MTCTL, "-s", server.path, "-"], env=clean(), stdin=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as waiting:
        waiting.process.stdin.write(b"a.b\n")
        waiting.process.stdin.flush()
        equal(waiting.process.wait(PATIENCE_S), 3, "while stdin is open")


@fact
def refuses_words_behind_the_dash():
    says(run("-", "mt.info"), 2, "", "mtctl: 'mt.info' behind -: commands come from stdin\n")


@fact
def refuses_lines_of_too_many_words():
    with Server() as server:
        says(run("-s", server.path, "-", stdin="a.b " + "1 " * 70), 2, "",
             "mtctl: 'a.b' with more than 64 words on a line\n")


# Help.

@fact
def help_of_a_method_comes_from_the_server():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        says(run("-s", path, "help", "mt.mem_used"), 0,
             "mt.mem_used [unit]\nReturns how many bytes all injection holds, rounded down to the "
             "unit.\nExample: mt.mem_used k\n")
        says(run("-s", path, "help", "mt.mem_usd"), 1, "",
             "error: 500 - command mt.mem_usd not found, did you mean mt.mem_used?\n")
    says(run("help", "mem_used"), 2, "",
         "mtctl: unknown command 'mem_used', did you mean mt.mem_used?\n")
    says(run("help", "a.b", "c"), 2, "", "mtctl: 'c' is too much (mtctl help METHOD)\n")


@fact
def every_example_in_the_help_can_be_given_as_it_stands():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as client:
            texts = [client.call("system.methodHelp", method) for method in client.call("system.listMethods")]
        examples = [line.split()[1:] for text in texts for line in text.splitlines()
                    if line.startswith("Example: mt.")]
        assert len(examples) >= 8, examples
        for words in examples:
            done = subprocess.run([MTCTL, "-s", path, *words], capture_output=True, text=True)
            # Test 1 may be gone by then; anything else would be a mistake in the words.
            assert done.stderr == "" or "test 1 not found" in done.stderr, (words, done)


run_facts()
