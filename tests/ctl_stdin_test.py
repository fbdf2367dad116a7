#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Many commands on mtctl's standard input."""

import json
import subprocess

from ctl import Server, clean, host, isolate, path_of, result_of, run, says
from harness import MTCTL, PATIENCE_S, Place, Program, equal, fact, run_facts

isolate()


@fact
def runs_commands_from_stdin_on_one_connection():
    with Server(result_of("1"), result_of("null", 2), result_of("[2]", 3)) as server:
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
    with Server(result_of("1"), None, result_of("2", 3)) as server:
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


run_facts()
