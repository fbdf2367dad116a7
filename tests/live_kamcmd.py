#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The stock kamcmd from Debian's kamailio package, unmodified, drives the library: every example of
the specification and every fault of the original, by exact output; interactively through a pty."""

import os
import pty
import re
import select
import signal
import subprocess
import time

from harness import PATIENCE_S, Client, Place, Program, equal, fact, run_facts, value, wait_for

LIST = re.compile(
    r"\{\n\tID           : 2\n\trun time \(s\) : \d+\n\tremaining \(s\): \d+\n\tallocations  : \d+\n"
    r"\terrors       : 0\n\toverflows    : 0\n\ttotal alloc  : \d+\n\tmin          : 15360\n"
    r"\tmax          : 65536\n\ttotal        : 25600000\n\treallocs     : 0\n\tcorruptions  : 0\n"
    r"\theld         : \d+\n\}\n\{\n\tID           : 1\n")

TYPE = "expected integer type but record doesn't match type"
MISSING = "expected integer type but end of packet encountered"
FAULTS = [
    (("mt.mem_alloc",), f"400 - error at parameter 0: {MISSING}"),
    (("mt.mem_alloc", "abc"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_alloc", "1.5"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_alloc", "0x10"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_alloc", "--", "-1"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_alloc", "1", "q"), "500 - bad param use b|k|m|g"),
    (("mt.mem_alloc", "1", "2"), "500 - bad param use b|k|m|g"),
    (("mt.mem_alloc", "1", "k", "k"), "400 - too many arguments"),
    (("mt.mem_alloc", "900000", "t"), "400 - memory allocation failed"),
    (("mt.mem_free", "k"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_free", "abc"), f"400 - error at parameter 0: {TYPE}"),
    (("mt.mem_rnd_alloc", "1", "2"), f"400 - error at parameter 2: {MISSING}"),
    (("mt.mem_rnd_alloc", "2", "1", "10"), "400 - invalid parameter values"),
    (("mt.mem_rnd_alloc", "1", "20", "10"), "400 - invalid parameter values"),
    (("mt.mem_rnd_alloc", "0", "0", "10"), "400 - invalid parameter values"),
    (("mt.mem_test_start", "2", "1", "10", "1", "1", "10"),
     "400 - invalid size parameters values"),
    (("mt.mem_test_start", "1", "20", "10", "1", "1", "10"),
     "400 - invalid size parameters values"),
    (("mt.mem_test_start", "1", "1", "10", "2", "1", "10"),
     "400 - invalid time intervals values"),
    (("mt.mem_test_start", "1", "1", "10", "0", "1", "10"),
     "400 - invalid time intervals values"),
    (("mt.mem_test_start", "1", "1", "10", "1", "20", "10"),
     "400 - invalid time intervals values"),
    (("mt.mem_test_stop", "99"), "400 - test 99 not found"),
    (("mt.mem_test_destroy", "99"), "400 - test 99 not found"),
    (("mt.mem_test_list", "99"), "400 - test 99 not found"),
    (("mt.mem_test_destroy_all", "1"), "400 - too many arguments"),
    (("no.such",), "500 - command no.such not found"),
    (("m" * 300,), "500 - command " + "m" * 100),
    (("cfg.set_now_int", "malloc_test", "check_content", "7"), "400 - bad value '7'"),
]


class Host:
    """A quiet host under the library."""

    def __init__(self, **settings):
        self.settings = settings

    def __enter__(self):
        self.place = Place().__enter__()
        self.program = Program(["sleep", "1000"],
                               env=self.place.environment(**self.settings)).__enter__()
        self.path = self.place.wait_socket(self.program.pid)
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)
        self.place.__exit__(*error)

    def kamcmd(self, *words, options=()):
        """What kamcmd prints; anything on standard error is wrong."""
        done = subprocess.run(["kamcmd", "-s", f"unix:{self.path}", *options, *words],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        equal(done.stderr, "", words)
        return done.stdout


@fact
def every_example_of_the_specification_runs():
    with Host() as host:
        equal(host.kamcmd("cfg.set_now_int", "malloc_test", "check_content", "1"), "")
        equal(host.kamcmd("cfg.get", "malloc_test", "check_content"), "1\n")
        equal(host.kamcmd("mt.mem_alloc", "10", "k"), "")
        equal(host.kamcmd("mt.mem_used"), "10240\n")
        equal(host.kamcmd("mt.mem_free", "1", "m"), "0\n")
        equal(host.kamcmd("mt.mem_rnd_alloc", "1", "64", "10240", "k"), "")
        equal(host.kamcmd("mt.mem_used"), "10485760\n")
        equal(host.kamcmd("mt.mem_free"), "10485760\n")
        start = ("mt.mem_test_start", "15", "64", "25000", "128", "1500", "3600000", "k")
        equal((host.kamcmd(*start), host.kamcmd(*start)), ("1\n", "2\n"))
        listed = host.kamcmd("mt.mem_test_list")
        assert LIST.match(listed), listed
        equal(host.kamcmd("mt.mem_test_list", "1").count("ID"), 1)
        equal(host.kamcmd("mt.mem_test_stop", "1"), "")
        equal(host.kamcmd("mt.mem_test_destroy", "1"), "")
        equal(host.kamcmd("mt.mem_test_destroy_all"), "")
        equal(host.kamcmd("mt.mem_test_list"), "")
        equal(host.kamcmd("mt.mem_used"), "0\n")


@fact
def every_fault_begins_as_the_original_does_and_changes_nothing():
    with Host() as host:
        for words, wanted in FAULTS:
            got = host.kamcmd(*words)
            assert got.startswith(f"error: {wanted}"), (words, got)
            assert got.count("\n") == 1, got
        equal(host.kamcmd("mt.mem_used"), "0\n")
        equal(host.kamcmd("mt.mem_test_list"), "")


@fact
def freeing_takes_what_the_original_takes():
    with Host() as host:
        for size in (100, 200, 300, 400, 500):
            host.kamcmd("mt.mem_alloc", str(size))
        equal(host.kamcmd("mt.mem_free", "250"), "300\n")
        host.kamcmd("mt.mem_free")
        for size in (10, 20, 100):
            host.kamcmd("mt.mem_alloc", str(size))
        equal(host.kamcmd("mt.mem_free", "35"), "130\n")


@fact
def its_own_commands_work():
    with Host() as host:
        methods = host.kamcmd("ls").split()
        assert "mt.mem_test_start" in methods and "core.ps" in methods, methods
        equal(host.kamcmd("ps"), f"{host.program.pid}\tsleep\n")
        equal(host.kamcmd("version"), "mtpreload 0.1.0\n")
        equal(host.kamcmd("help", "mt.mem_used").split("\n")[0], "mt.mem_used [unit]")
        host.kamcmd("mt.mem_alloc", "7")
        equal(host.kamcmd("mt.mem_used", options=("-f", "held: %v\\n")), "held: 7\n")


@fact
def numbers_past_31_bits_are_printed_exactly():
    with Host(touch=0, min_available_percent=0) as host:
        equal(host.kamcmd("mt.mem_alloc", "3", "g"), "")
        equal(host.kamcmd("mt.mem_used"), "3221225472\n")
        equal(host.kamcmd("mt.mem_free"), "3221225472\n")


@fact
def a_list_too_long_for_it_is_refused_with_a_hint():
    with Host() as host, Client(host.path) as client:
        for _ in range(800):
            client.call("mt.mem_test_start", 1, 1, 1, "1h", "1h", "1h")
        got = host.kamcmd("mt.mem_test_list")
        assert got.startswith("error: 500 - the reply is longer than"), got
        equal(host.kamcmd("mt.mem_test_list", "800").count("ID"), 1)
        equal(len(client.call("mt.mem_test_list")), 800)


class Shell:
    """kamcmd at a terminal."""

    def __init__(self, path):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp("kamcmd", ["kamcmd", "-s", f"unix:{path}"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)

    def until(self, pattern):
        """Reads until the pattern has come."""
        seen, end = "", time.monotonic() + PATIENCE_S
        while not re.search(pattern, seen):
            assert time.monotonic() < end, f"no {pattern!r} in {seen!r}"
            if select.select([self.fd], [], [], 1)[0]:
                seen += os.read(self.fd, 4096).decode(errors="replace")
        return seen

    def type(self, text):
        os.write(self.fd, text.encode())


@fact
def the_interactive_shell_completes_and_runs():
    with Host() as host, Shell(host.path) as shell:
        shell.until(r"kamcmd> ")
        shell.type("mt.mem_alloc 10 k\n")
        shell.until(r"kamcmd> $")
        wait_for(lambda: value(host.path, "mt.mem_used") == 10240, "the allocation")
        shell.type("mt.mem_u\t\n")
        shell.until(r"mt\.mem_used ?\r\n(.*\r\n)*10240\r\n")
        shell.until(r"kamcmd> $")
        shell.type("help mt.mem_used\n")
        shell.until(r"Returns how many bytes")
        shell.type("cfg.get malloc_test check_content\n")
        shell.until(r"\n0\r\n")
        shell.type("quit\n")
        wait_for(lambda: ended(shell.pid), "kamcmd to end")


def ended(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "Z"


run_facts()
