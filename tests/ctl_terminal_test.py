#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl shows text of strangers: servers, processes, command lines. None of it commands a terminal or hides in it."""

import contextlib
import json
import os
import re
import shutil
import sys

from ctl import Server, here, host, isolate, name_of, path_of, result_of, run
from harness import Place, equal, fact, run_facts, wait_for

isolate()


HIDDEN = "\xad\u034f\u115f\u180b\u200b\u200d\u2060\u2064\u3164\ufe0f\ufeff\U000e0041\U000e007f\U000e0100"
OBEYED = ("\x1b\x7f\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" + HIDDEN)
RAW = "".join(c for c in OBEYED if c >= "\x7f")  # as JSON may have them in a string, without an escape
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
                       "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
                       "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\udc80-\udcff]")


def harmless(text):
    assert not FORBIDDEN.search(text), ascii(text)
    return text


def replies(text):
    """The text in every part of a reply that is shown."""
    quoted = [json.dumps(text, ensure_ascii=False), json.dumps(text)]
    if "\x1b" in text:
        quoted = quoted[1:]
    for q in quoted:
        yield q
        yield f"[{q}, {{{q}: [{q}, {{{q}: {q}}}]}}]"


@fact
def no_result_reaches_a_terminal_unescaped():
    for text in (OBEYED, RAW):
        for reply in replies(text):
            with Server(result_of(reply), result_of(reply)) as server:
                shown = harmless(run("-s", server.path, "a.b").out)
                assert "?" * len(text) in shown, ascii(shown)
                found = harmless(run("-j", "-s", server.path, "a.b").out)
                equal(json.loads(found), json.loads(reply))


@fact
def no_refusal_reaches_a_terminal_unescaped():
    for quoted in (json.dumps(OBEYED), json.dumps(RAW, ensure_ascii=False)):
        reply = ('{"jsonrpc":"2.0","error":{"code":-1,"message":%s,"data":{"code":7}},"id":1}\n' % quoted).encode()
        with Server(reply, reply) as server:
            done = run("-s", server.path, "a.b")
            equal((done.status, done.out), (1, ""))
            equal(harmless(done.err), f"error: 7 - {'?' * len(json.loads(quoted))}\n")
            found = json.loads(harmless(run("-j", "-s", server.path, "a.b").out))
            equal(found, {"error": {"code": 7, "message": json.loads(quoted)}})


@fact
def blanks_between_values_do_not_move_the_cursor():
    with Server(b'{"jsonrpc":"2.0","result":[1,\r\t2],"id":1}\n') as server:
        equal(run("-j", "-s", server.path, "a.b").out, "[1,  2]\n")


@fact
def bytes_that_are_no_text_are_no_reply():
    for raw in (b"\x9b", b"\xff", b"\xc2", b"\xe2\x80", b"\x1b", b"\x00"):
        with Server(b'{"jsonrpc":"2.0","result":"a%sb","id":1}\n' % raw) as server:
            done = run("-s", server.path, "a.b")
            equal((done.status, done.out), (3, ""))
            harmless(done.err)


@fact
def words_of_the_command_line_are_echoed_escaped():
    for words in (["a" + OBEYED], ["-t", OBEYED, "x"], ["-p", OBEYED], ["--" + OBEYED], ["-s", "/" + OBEYED, "a.b"],
                  ["ls", OBEYED], ["doctor", OBEYED], ["doctor", "--", "/" + OBEYED], ["-n", OBEYED, "a.b"],
                  ["-n", f"a:{OBEYED}:x", "a.b"], ["run", "--set", OBEYED], ["run", "--" + OBEYED]):
        for form in ([], ["-j"]):
            done = run(*form, *words)
            assert done.status, words
            harmless(done.out + done.err)


# A process calls itself so, its file, its command line and its directory.
CALLED = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(15, b"x\\xc2\\x9b\\xe2\\x80\\xae\\x9by\\x1b")
time.sleep(1000)
"""


@fact
def nothing_that_a_process_calls_itself_reaches_a_terminal_unescaped():
    with Place() as place:
        place.run = os.path.join(place.path, "d\x9b\u202e\x1b")
        os.mkdir(place.run)
        program = os.path.join(place.path, "p\x9b\u2066")
        os.symlink(sys.executable, program)
        argv = [program, "-c", CALLED, OBEYED.replace("\x00", "")]
        with host(place, argv) as one, host(place, argv) as two:
            for each in (one, two):
                path_of(place, each)
                wait_for(lambda each=each: name_of(each).startswith("x"), "the name")
            pid = str(one.pid)
            for words in (["ls"], ["--all", "mt.mem_used"], ["mt.mem_used"], ["-p", pid, "mt.mem_used"],
                          ["-n", "x*", "mt.mem_used"], ["-n", "x*:nobody", "mt.mem_used"], ["-n", "x*::9", "mt.mem_used"],
                          ["doctor"], ["doctor", pid]):
                for form in ([], ["-j"]):
                    done = run(*form, *words, env=here(place))
                    harmless(done.out + done.err)
            shown = run("ls", env=here(place)).out.splitlines()
            equal(shown[1].split()[2], "x???y?")


@fact
def names_that_look_the_same_are_the_same():
    names = ("slee?p", "slee\u200bp", "slee\U000e0041p", "slee\xadp")
    with Place() as place, contextlib.ExitStack() as running:
        for name in names:
            program = shutil.copy(shutil.which("sleep"), os.path.join(place.path, name))
            path_of(place, running.enter_context(host(place, (program, "1000"))))
        with host(place) as other:
            path_of(place, other)
            for name in names:
                done = run("-n", name, "mt.mem_used", env=here(place))
                equal((done.status, done.out), (3, ""))
                assert "4 instances are called slee?p" in done.err, done.err
            running.close()
            done = run("-n", "sle\u200bp", "mt.mem_used", env=here(place))
            equal((done.status, done.out), (3, ""), "what cannot be shown is no pattern")


run_facts()
