#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl, run by whoever may do more, against what somebody else has laid out for it: servers that are none,
names that are not theirs, files that are no files, text that commands a terminal."""

import json
import os
import re
import subprocess
import sys

from ctl import Server, here, host, isolate, name_of, path_of, result_of, run
from harness import Place, Program, equal, fact, run_facts, wait_for

isolate()


# What a terminal obeys, from a server.

OBEYED = "\x1b\x7f\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RAW = "".join(c for c in OBEYED if c >= "\x7f")  # as JSON may have them in a string, without an escape
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


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
                    done = run(*form, *words, env=here(place), errors="strict")
                    harmless(done.out + done.err)
            shown = run("ls", env=here(place)).out.splitlines()
            equal(shown[1].split()[2], "x???y?")


# Files that are no files. A FIFO tells whether it has been opened: then its writer does not wait any more.

class Fifo:
    def __init__(self, path):
        self.path = path
        os.mkfifo(path, 0o777)
        self.writer = subprocess.Popen(["sh", "-c", ': > "$0"', path])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.writer.kill()
        self.writer.wait()

    def is_untouched(self):
        return self.writer.poll() is None


def preloading(library):
    """A program whose LD_PRELOAD names this, which the loader has not found."""
    return Program(["sh", "-c", 'exec 2>&-; LD_PRELOAD=$0 exec sleep 1000', library])


@fact
def doctor_opens_no_fifo_that_somebody_names():
    with Place() as place:
        library = os.path.join(place.path, "libmtpreload.so")
        with preloading(library) as program:
            wait_for(lambda: name_of(program) == "sleep", "sleep")
            with Fifo(library) as fifo:
                for words in ([str(program.pid)], [], ["--", library]):
                    assert run("doctor", *words).status in (0, 1)
                    assert fifo.is_untouched(), words


@fact
def doctor_takes_devices_and_directories_for_what_they_are():
    for make in (os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("/proc/self/mem", path)):
        with Place() as place:
            library = os.path.join(place.path, "libmtpreload.so")
            with preloading(library) as program:
                wait_for(lambda program=program: name_of(program) == "sleep", "sleep")
                make(library)
                equal(run("doctor", str(program.pid)).status, 1)


run_facts()
