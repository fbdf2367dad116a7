#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The stock kamcmd drives hosts under the library: what it prints for each example of the
specification and for each mistake, to the byte, at a prompt as well as from a shell. kamcmd ends
with 0 also for a fault, which it prints on its standard output."""

import contextlib
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import time

from harness import (MIB, PATIENCE_S, TOP, Client, Place, Program, equal, fact, run_facts,
                     wait_for)

KAMCMD = shutil.which("kamcmd", path=os.environ["PATH"] + ":/usr/sbin")
ANSWER_S = PATIENCE_S  # a request that gets no answer would keep kamcmd for ever
NO_INTEGER = "400 - error at parameter %d: expected integer type but record doesn't match type"
MISSING = "400 - error at parameter %d: expected integer type but end of packet encountered"
BAD_UNIT = "500 - bad param use b|k|m|g"
BAD_SIZES = "400 - invalid size parameters values"
BAD_TIMES = "400 - invalid time intervals values"
SURPLUS = "400 - too many arguments"


class Kamcmd:
    """kamcmd as a person has it: each call is one command line."""

    def __init__(self, control):
        self.control = control

    def run(self, *words):
        return subprocess.run([KAMCMD, "-s", "unix:" + self.control, *words], timeout=ANSWER_S,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def __call__(self, *words):
        """What it prints. As in the specification, one string is a whole command line."""
        if len(words) == 1:
            words = words[0].split()
        done = self.run(*words)
        equal((done.returncode, done.stderr), (0, ""), f"kamcmd {' '.join(words)}")
        return done.stdout


@contextlib.contextmanager
def sleeping(place, **settings):
    with Program(["sleep", "600"], env=place.environment(**settings)) as host:
        yield host, Kamcmd(place.wait_socket(host.pid))


@contextlib.contextmanager
def redis(place, **settings):
    """A server on a Unix socket of its own, that has to serve before and after."""
    path = os.path.join(place.path, "redis.sock")
    argv = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly",
            "no", "--dir", place.path, "--daemonize", "no"]
    with Program(argv, env=place.environment(**settings), stdout=subprocess.DEVNULL) as host:
        wait_for(lambda: serves(path), "redis to answer")
        yield host, Kamcmd(place.wait_socket(host.pid))
        assert serves(path)


def serves(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(path)
            s.sendall(b"PING\r\n")
            return s.recv(64) == b"+PONG\r\n"
    except OSError:
        return False


@contextlib.contextmanager
def each_host():
    """Both hosts at once, as (kind, host, kamcmd)."""
    with Place() as place, sleeping(place) as sleeper, redis(place) as server:
        yield [("sleep", *sleeper), ("redis-server", *server)]


def layout(test, run_time=r"\d+", remaining=r"\d+", allocations=r"\d+", total_alloc=r"\d+",
           overflows="0", held=r"\d+"):
    """The specification's lines for one test, then ours, as a pattern. `test` is id, min, max
    and total."""
    lines = [("ID", test[0]), ("run time (s)", run_time), ("remaining (s)", remaining),
             ("allocations", allocations), ("errors", 0), ("overflows", overflows),
             ("total alloc", total_alloc), ("min", test[1]), ("max", test[2]), ("total", test[3]),
             ("reallocs", 0), ("corruptions", 0), ("held", held),
             ("allocated", r"\d+"), ("resident", r"\d+"), ("shape", "cycle"), ("kind", "heap"),
             ("where", "thread"), ("pending", 0), ("state", "[a-z]+"), ("sequence", "[0-9a-f]{16}"), ("refusal", "")]
    return r"\{\n" + "".join("\t" + re.escape(name.ljust(13)) + f": {value}\n"
                             for name, value in lines) + r"\}\n"


def matches(got, pattern):
    assert re.fullmatch(pattern, got), f"got {got}\nwanted {pattern}"


def line(listed, name):
    """The numbers of one line, a test each."""
    return [int(n) for n in re.findall(rf"^\t{re.escape(name)} *: (\d+)$", listed, re.M)]


@fact
def every_example_of_the_specification_prints_what_it_should():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            equal(kamcmd("cfg.set_now_int malloc_test check_content 1"), "")
            equal(kamcmd("cfg.get malloc_test check_content"), "1\n")
            equal(kamcmd("mt.mem_alloc 10 k"), "")
            equal(kamcmd("mt.mem_used"), "10240\n")
            equal(kamcmd("mt.mem_free 1 m"), "0\n", "10 k, in m")
            equal(kamcmd("mt.mem_used"), "0\n")
            equal(kamcmd("mt.mem_rnd_alloc 1 64 10240 k"), "")
            equal(kamcmd("mt.mem_used"), "10485760\n")
            equal(kamcmd("mt.mem_used k"), "10240\n")
            equal(kamcmd("mt.mem_free 1 m"), "1\n")
            left = int(kamcmd("mt.mem_used"))
            assert 9 * MIB - 65536 < left <= 9 * MIB, f"at least 1 m, one piece more: {left}"
            equal(kamcmd("mt.mem_free"), f"{left}\n")
            equal(kamcmd("mt.mem_test_start 15 64 25000 128 1500 3600000 k"), "1\n")
            equal(kamcmd("mt.mem_test_start 15 64 25000 128 1500 3600000 k"), "2\n")
            wait_for(lambda: all(line(kamcmd("mt.mem_test_list"), "allocations")), "allocations")
            equal(kamcmd("mt.mem_test_stop 1"), "")
            stopped = kamcmd("mt.mem_test_list 1")
            equal(kamcmd("mt.mem_test_list 1"), stopped, "a stopped test stands still")
            assert line(stopped, "held")[0] > 0, stopped
            equal(kamcmd("mt.mem_test_stop 1"), "", "again")
            equal(kamcmd("mt.mem_test_destroy 1"), "")
            equal(line(kamcmd("mt.mem_test_list"), "ID"), [2])
            equal(kamcmd("mt.mem_test_destroy_all"), "")
            equal(kamcmd("mt.mem_test_list"), "")
            equal(kamcmd("mt.mem_used"), "0\n")


@fact
def the_list_has_the_layout_of_the_specification():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            equal(kamcmd("mt.mem_test_start 15 64 29000 128 1500 3600000 k"), "1\n")
            equal(kamcmd("mt.mem_test_start 15 64 25000 128 1500 3600000 k"), "2\n")
            equal(kamcmd("mt.mem_test_start 1 1 10 250 250 5000"), "3\n")
        for _, _, kamcmd in hosts:
            wait_for(lambda: line(kamcmd("mt.mem_test_list 3"), "run time (s)") == [5] and
                     line(kamcmd("mt.mem_test_list 3"), "held") == [0] and
                     all(line(kamcmd("mt.mem_test_list"), "allocations")), "test 3 to end")
            listed = kamcmd("mt.mem_test_list")
            ended = layout((3, 1, 1, 10), 5, 0, 20, 20, overflows=1, held=0)
            matches(listed, ended + layout((2, 15360, 65536, 25600000)) +
                    layout((1, 15360, 65536, 29696000)))
            equal(line(listed, "held"), [0] + line(listed, "total alloc")[1:], "none overflowed")
            for ran, remaining in list(zip(line(listed, "run time (s)"),
                                           line(listed, "remaining (s)")))[1:]:
                assert ran + remaining in (3599, 3600), listed
            matches(kamcmd("mt.mem_test_list 3"), ended)
            matches(kamcmd("mt.mem_test_list 1 k"), layout((1, 15, 64, 29000)))
            equal(kamcmd("mt.mem_test_destroy_all"), "")


# What is typed, and how the fault begins: as the original's does where it has one.
FAULTS = [
    ("mt.mem_alloc", MISSING % 0),
    ("mt.mem_alloc abc", NO_INTEGER % 0),
    ("mt.mem_alloc 10 x", BAD_UNIT),
    ("mt.mem_alloc 5 5", BAD_UNIT),
    ("-- mt.mem_alloc -1", NO_INTEGER % 0),
    ("mt.mem_alloc -- -1", NO_INTEGER % 0),
    ("mt.mem_alloc 0x10", NO_INTEGER % 0 + ": size '16.000'"),
    ("mt.mem_alloc 1.5", NO_INTEGER % 0 + ": size '1.500'"),
    ("mt.mem_alloc 10 k surplus", SURPLUS),
    ("mt.mem_alloc 900000 t", "400 - memory allocation failed"),
    ("mt.mem_free k", NO_INTEGER % 0),
    ("mt.mem_free abc", NO_INTEGER % 0),
    ("mt.mem_free 1.5", NO_INTEGER % 0),
    ("-- mt.mem_free -1", NO_INTEGER % 0),
    ("mt.mem_free 1 x", BAD_UNIT),
    ("mt.mem_free 1 k surplus", SURPLUS),
    ("mt.mem_used x", BAD_UNIT),
    ("mt.mem_used k surplus", SURPLUS),
    ("mt.mem_rnd_alloc 1 64", MISSING % 2),
    ("mt.mem_rnd_alloc 1 abc 100", NO_INTEGER % 1),
    ("mt.mem_rnd_alloc 1 64 100 x", BAD_UNIT),
    ("mt.mem_rnd_alloc 64 1 100", "400 - invalid parameter values"),
    ("mt.mem_rnd_alloc 1 64 10", "400 - invalid parameter values"),
    ("mt.mem_rnd_alloc 0 0 10", "400 - invalid parameter values"),
    ("mt.mem_rnd_alloc 1 64 100 b surplus", SURPLUS),
    ("mt.mem_test_start 1 2 100 1 2", MISSING % 5),
    ("mt.mem_test_start 1 2 100 1 2 abc", NO_INTEGER % 5),
    ("mt.mem_test_start 1 2 100 1 2 1000 x", BAD_UNIT),
    ("mt.mem_test_start 64 1 100 1 2 1000", BAD_SIZES),
    ("mt.mem_test_start 1 200 100 1 2 1000", BAD_SIZES),
    ("mt.mem_test_start 1 2 100 3 2 1000", BAD_TIMES),
    ("mt.mem_test_start 1 2 100 0 2 1000", BAD_TIMES),
    ("mt.mem_test_start 1 2 100 1 2000 1000", BAD_TIMES),
    ("mt.mem_test_start 1 2 100 1 2 1000 b surplus", SURPLUS),
    ("mt.mem_test_stop", MISSING % 0),
    ("mt.mem_test_stop abc", NO_INTEGER % 0),
    ("mt.mem_test_stop 99", "400 - test 99 not found"),
    ("mt.mem_test_destroy", MISSING % 0),
    ("mt.mem_test_destroy 99", "400 - test 99 not found"),
    ("mt.mem_test_destroy_all 1", SURPLUS),
    ("mt.mem_test_list 99", "400 - test 99 not found"),
    ("mt.mem_test_list abc", NO_INTEGER % 0),
    ("cfg.set_now_int malloc_test nothing 1", "400 - setting 'nothing' not found"),
    ("cfg.set_now_int malloc_test check_content 2", "400 - bad value '2' for check_content"),
    ("mt.leak_start 1m 2m 64k rate 1000 mmap", BAD_TIMES + ": only shape=exp has a period (accepted: 0, or none)"),
    ("mt.leak_start", MISSING % 0 + ": rate is missing"),
    ("mt.leak_start limit=1m", MISSING % 0 + ": rate is missing"),
    ("mt.leak_start time=1m", MISSING % 0 + ": rate is missing"),
    ("mt.leak_start limit=1m time=0", BAD_TIMES + ": time 0"),
    ("mt.mem_alloc 101%", NO_INTEGER % 0 + ": size '101%' is more than all of the memory"),
    ("mt.mem_alloc 25% k", "400 - error at parameter 0: size '25%' is a percentage and takes no unit"),
    ("mt.mem_alloc 1Gix", NO_INTEGER % 0),
    ("mt.leak_start rat=1m", NO_INTEGER % 0 + ": rate 'rat=1m'"),
    ("mt.mem_alloc size=1 size=2", "400 - argument given twice: 'size'"),
    ("mt.nothing", "500 - command mt.nothing not found"),
    ("help mt.nothing", "500 - command mt.nothing not found"),
    ("m" * 300, "500 - command mmm"),
]


@fact
def each_leak_can_be_asked_for_by_place_or_by_name():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            for number, typed in enumerate(("1m 2m 64k rate 0 mmap thread 3600000", "1 2 1 step 0 mmap thread 3600000 m",
                                            "rate=1m limit=2m kind=mmap time=1h", "1 unit=m kind=mmap limit=2 time=1h",
                                            "shape=exp period=1s rate=1m limit=2m kind=mmap time=1h"), 1):
                equal(kamcmd("mt.leak_start " + typed), f"{number}\n", typed)
                listed = kamcmd(f"mt.mem_test_list {number}")
                equal((line(listed, "total"), re.findall(r"kind *: (\w+)", listed)), ([2 * MIB], ["mmap"]), typed)
                assert line(listed, "remaining (s)")[0] > 3000, listed
            equal(kamcmd("mt.mem_test_destroy id=2"), "")
            equal(line(kamcmd("mt.mem_test_list"), "ID"), [5, 4, 3, 1])
            equal(kamcmd("mt.mem_test_list unit=k id=3").count("total        : 2048\n"), 1)
            equal(kamcmd("mt.mem_test_destroy_all"), "")


@fact
def binary_units_percentages_and_ramps_are_understood():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            equal(kamcmd("mt.mem_alloc 1Mi"), "")
            equal(kamcmd("mt.mem_alloc size=1.5MiB"), "")
            equal(kamcmd("mt.mem_free"), f"{5 * MIB // 2}\n")
            equal(kamcmd("cfg.set_now_string malloc_test max_bytes 100%"), "")
            whole = int(kamcmd("cfg.get malloc_test max_bytes"))
            equal(kamcmd("mt.mem_alloc 0.01%"), "")
            equal(kamcmd("mt.mem_used"), f"{whole // 10000}\n")
            equal(kamcmd("mt.leak_start limit=1Mi time=1s kind=mmap"), "1\n")
            equal(kamcmd("mt.leak_start limit=12.5% time=100h"), "2\n")
            equal(line(kamcmd("mt.mem_test_list"), "total"), [whole // 8, MIB])
            equal(re.findall(r"shape *: (\w+)", kamcmd("mt.mem_test_list")), ["ramp", "ramp"])
            wait_for(lambda: line(kamcmd("mt.mem_test_list 1"), "held") == [MIB], "the ramp's top")
            equal(re.findall(r"state *: (\w+)", kamcmd("mt.mem_test_list 1")), ["running"])
            assert int(kamcmd("mt.reset")) >= MIB + whole // 10000


@fact
def beside_sixty_four_idle_connections_a_reset_is_served_and_all_else_refused_with_its_cookie():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            idle = [Client(kamcmd.control) for _ in range(64)]
            equal(idle[-1].ask("mt.mem_alloc 1000"), "200 OK")
            for typed in ("mt.mem_used", "mt.mem_alloc 1", "mt.nothing", "m" * 300):
                equal(kamcmd(typed), "error: 503 - too many connections, 64 are open (only commands that take back are "
                                     "served now, as mt.reset)\n")
            equal(kamcmd("mt.reset"), "1000\n")
            equal(kamcmd("mt.mem_test_destroy_all"), "")
            for client in idle:
                equal(client.ask("mt.mem_used"), "200 OK\n0")
                client.socket.close()


@fact
def each_mistake_is_answered_with_its_fault_and_changes_nothing():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            kamcmd("mt.mem_alloc 12345")
            for typed, begins in FAULTS:
                got = kamcmd(typed)
                wanted = f"error: {begins}"
                equal(got[:len(wanted)], wanted, typed)
                equal(got.count("\n"), 1, got)
                equal(kamcmd("mt.mem_used"), "12345\n", f"after {typed}")
            equal(kamcmd("mt.mem_test_list"), "")
            equal(kamcmd("cfg.get malloc_test check_content"), "0\n")


@fact
def freeing_takes_what_the_original_takes():
    with Place() as place, sleeping(place) as (_, kamcmd):
        for sizes, wanted, freed in [((100, 200, 300, 400, 500), 250, 300),
                                     ((100, 200, 300, 400, 500), 1, 100),
                                     ((10, 20, 100), 35, 130)]:
            for size in sizes:
                equal(kamcmd(f"mt.mem_alloc {size}"), "")
            equal(kamcmd(f"mt.mem_free {wanted}"), f"{freed}\n", f"{wanted} of {sizes}")
            equal(kamcmd("mt.mem_free"), f"{sum(sizes) - freed}\n", "the rest")


@fact
def a_negative_size_without_dashes_is_taken_by_kamcmd_for_an_option():
    with Place() as place, sleeping(place) as (_, kamcmd):
        done = kamcmd.run("mt.mem_alloc", "-1")
        equal((done.returncode, done.stdout, done.stderr), (255, "", "Unknown option `-1'.\n"))
        equal(kamcmd("mt.mem_used"), "0\n")


def methods():
    with open(os.path.join(TOP, "src/control/commands.def")) as table:
        return re.findall(r'^COMMAND\("([^"]+)"', table.read(), re.M)


@fact
def the_aliases_of_kamcmd_are_served():
    with each_host() as hosts:
        for program, host, kamcmd in hosts:
            assert "mt.mem_used" in methods()
            equal(kamcmd("ls").splitlines(), methods())
            equal(kamcmd("ps"), f"{host.pid}\t{program}\n")
            matches(kamcmd("version"), r"mtpreload \d+\.\d+\.\d+\n")
            equal(kamcmd("help mt.mem_used"),
                  "mt.mem_used [unit]\n"
                  "Returns how many bytes all injection holds, rounded down to the unit.\n"
                  "Example: mt.mem_used k\n")
            equal(kamcmd("help").splitlines()[:len(methods())], methods())


@fact
def a_format_gets_the_values_in_their_order():
    with Place() as place, sleeping(place) as (host, kamcmd):
        kamcmd("mt.mem_alloc 10 k")
        equal(kamcmd("-f", r"%v bytes %%v\n", "mt.mem_used"), "10240 bytes %v\n")
        equal(kamcmd("-f", r"pid: %v  desc: %v\n", "core.ps"), f"pid: {host.pid}  desc: sleep\n")
        matches(kamcmd("-f", r"%v\n", "mt.mem_alloc", "10", "x"),
                "error: 500 - bad param use [^\n]*\n")


def allow_untouched(kamcmd):
    """Lets a host have more than the machine could give."""
    equal(kamcmd("cfg.set_now_int malloc_test touch 0"), "")
    equal(kamcmd("cfg.set_now_int malloc_test min_available_percent 0"), "")


@fact
def a_number_of_more_than_31_bits_is_printed_exactly():
    with each_host() as hosts:
        for _, _, kamcmd in hosts:
            allow_untouched(kamcmd)
            equal(kamcmd(f"mt.mem_alloc {2**31 - 1}"), "")
            equal(kamcmd("mt.mem_used"), "2147483647\n")
            equal(kamcmd("mt.mem_alloc 1"), "")
            equal(kamcmd("mt.mem_used"), "2147483648\n")
            equal(kamcmd("mt.mem_free"), "2147483648\n")
            equal(kamcmd("mt.mem_alloc 3 g"), "")
            equal(kamcmd("mt.mem_used"), "3221225472\n")
            equal(kamcmd("mt.mem_used g"), "3\n")
            equal(kamcmd("-f", r"%v bytes\n", "mt.mem_used"), "3221225472 bytes\n")
            equal(kamcmd("mt.mem_free"), "3221225472\n")


@fact
def a_size_of_more_than_31_bits_arrives_whole_as_a_string():
    # As a bare number kamcmd sends the lower 32 bits of it: 2147483648 arrives as a negative.
    with Place() as place, sleeping(place) as (_, kamcmd):
        allow_untouched(kamcmd)
        begins = f"error: {NO_INTEGER % 0}: size '-2147483648' is negative"
        equal(kamcmd("mt.mem_alloc 2147483648")[:len(begins)], begins)
        equal(kamcmd("mt.mem_used"), "0\n")
        equal(kamcmd("mt.mem_alloc s:4294967297"), "")
        equal(kamcmd("mt.mem_used"), "4294967297\n")
        equal(kamcmd("mt.mem_free s:4294967297"), "4294967297\n")


@fact
def a_list_too_long_for_kamcmd_is_refused_and_the_next_command_served():
    with Place() as place, sleeping(place) as (_, kamcmd), Client(kamcmd.control) as client:
        def start(count):
            for _ in range(count):
                client.call("mt.mem_test_start", 1, 1, 10, 3000000, 3000000, 3600000)

        start(300)
        matches(kamcmd("mt.mem_test_list"), "".join(
            layout((i, 1, 1, 10), allocations=0, total_alloc=0, held=0)
            for i in range(300, 0, -1)))
        start(500)
        equal(kamcmd("mt.mem_test_list"),
              "error: 500 - the reply is longer than the 131072 bytes of this format: "
              "ask for a part, as in mt.mem_test_list id\n")
        matches(kamcmd("mt.mem_test_list 800"),
                layout((800, 1, 1, 10), allocations=0, total_alloc=0, held=0))
        equal(len(client.call("mt.mem_test_list")), 800, "JSON has no such limit")
        equal(kamcmd("mt.mem_used"), "0\n")
        equal(kamcmd("mt.mem_test_destroy_all"), "")
        equal(kamcmd("mt.mem_test_list"), "")


class Terminal:
    """kamcmd at a terminal of its own, where everything typed comes back."""

    def __init__(self, control, home):
        self.ours, self.its = pty.openpty()
        env = dict(os.environ, TERM="dumb", HOME=home, INPUTRC=os.devnull)
        self.program = Program([KAMCMD, "-s", "unix:" + control], env=env, stdin=self.its,
                               stdout=self.its, stderr=self.its, start_new_session=True)
        self.seen = b""

    def __enter__(self):
        self.program.__enter__()
        os.close(self.its)
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)
        os.close(self.ours)

    def until(self, end):
        """What is shown up to and with `end`."""
        end, deadline = end.encode(), time.monotonic() + ANSWER_S
        while end not in self.seen:
            left = max(0, deadline - time.monotonic())
            assert select.select([self.ours], [], [], left)[0], f"no {end}: {self.seen}"
            self.seen += os.read(self.ours, 4096)
        shown, self.seen = self.seen.split(end, 1)
        return (shown + end).decode().replace("\r\n", "\n")

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def ask(self, typed):
        """Types a command; what it prints before the next prompt."""
        self.type(typed + "\n")
        self.until(typed + "\r\n")
        return self.until("kamcmd> ").removesuffix("kamcmd> ")


@fact
def at_the_prompt_commands_are_typed_completed_and_explained():
    with each_host() as hosts, Place() as home:
        for program, host, kamcmd in hosts:
            with Terminal(kamcmd.control, home.path) as terminal:
                terminal.until("kamcmd> ")
                equal(terminal.ask("mt.mem_alloc 10 k"), "")
                equal(terminal.ask("mt.mem_used"), "10240\n")
                begins = "error: " + NO_INTEGER % 0
                equal(terminal.ask("mt.mem_alloc -1")[:len(begins)], begins, "no dashes here")
                equal(terminal.ask("mt.mem_alloc 5 x")[:10], "error: 500")
                equal(terminal.ask("ps"), f"{host.pid}\t{program}\n")
                matches(terminal.ask("version"), r"mtpreload \d+\.\d+\.\d+\n")
                matches(terminal.ask("help mt.mem_used"), r"mt\.mem_used \[unit\]\n(?s:.*)\n")
                equal(terminal.ask("help").splitlines()[:len(methods())], methods())
                equal(terminal.ask("mt.mem_used k"), "10\n", "the faults changed nothing")
                if completes():
                    terminal.type("mt.mem_u\t")
                    equal(terminal.until(" "), "mt.mem_used ")
                    terminal.type("k\n")
                    equal(terminal.until("kamcmd> "), "k\n10\nkamcmd> ")
                terminal.type("quit\n")
                equal(terminal.program.process.wait(timeout=ANSWER_S), 0)
            equal(kamcmd("mt.mem_free"), "10240\n", "a session leaves what it allocated")


def completes():
    """Whether this kamcmd was built with readline."""
    with open(KAMCMD, "rb") as binary:
        return b"libreadline.so" in binary.read()


run_facts()
