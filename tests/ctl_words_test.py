#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl's words: options, what is sent for them, and the help that names them."""

import json
import os
import subprocess

from ctl import Server, alone, clean, host, isolate, path_of, request_for, result_of, run, says
from harness import MTCTL, PATIENCE_S, Client, Place, Program, equal, fact, run_facts

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
    equal(request_for("a.b"), ['{"jsonrpc":"2.0","method":"a.b","params":[],"progress":true,"id":1}\n'])
    equal(request_for("a.b", "10", "k \"x\"\\"),
          ['{"jsonrpc":"2.0","method":"a.b","params":["10","k \\"x\\"\\\\"],"progress":true,"id":1}\n'])


@fact
def sends_named_arguments_by_name():
    equal(request_for("a.b", "size=10", "unit=k"),
          ['{"jsonrpc":"2.0","method":"a.b","params":{"size":"10","unit":"k"},"progress":true,"id":1}\n'])
    equal(request_for("a.b", "value=a=b"),
          ['{"jsonrpc":"2.0","method":"a.b","params":{"value":"a=b"},"progress":true,"id":1}\n'])


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
