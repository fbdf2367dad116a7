#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The victims built for another processor, under qemu-user, with and without the library; mtctl is this machine's."""

import glob
import os
import subprocess

from harness import (MIB, PATIENCE_S, PIPES, TOP, Client, Place, Program, equal, fact, mtctl, run_facts, victim,
                     wait_for, without_library)
from victims import obeys

QEMU = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]

# Each with its words and what it is told before it ends.
BY_THEMSELVES = [("early",), ("late",), ("tsd", "100")]
TOLD = [("address", "\n"), ("close", "\n"), ("close", "\n\n"), ("own_malloc", "\n"), ("tls", "\n"), ("full", "\n\n"),
        ("pins", "alloc 100\nfree\nalloc 1\n"), ("pins", "alloc 100\nfree\nend\n")]
TOLD = [(name, [], line) for name, line in TOLD] + \
    [("end", [way], "\n") for way in ("return", "exit", "_exit", "_Exit", "quick_exit")]

# Why the others are not run: fork is untried on this processor, and so is what needs it.
FORKS = "starting a thread in a forked child aborts qemu-user 7.2, in any program"
LEADER = "a leader that ends before its threads stays a zombie under qemu-user"
SECCOMP = "qemu-user sets no filters, and its own calls would meet them"
UNTRIED = {
    **dict.fromkeys(("adopt", "alone", "asan", "daemon", "fork", "held_mutex", "late_locks", "points", "spawn"), FORKS),
    **dict.fromkeys(("churn", "last"), LEADER),
    **dict.fromkeys(("libseccomp", "sandbox", "seccomp"), SECCOMP),
    "chroot": "qemu-user finds no library of the processor's in an empty root",
    "mallinfo": "qemu-user knows no PR_SET_THP_DISABLE",
    "mlock": "the emulator's own memory would be locked, and counted",
    "plugin": "it forks inside dlopen: " + FORKS,
    "quiet": "it prints what qemu-user itself changes: mappings, descriptors, auxiliary vector",
    **dict.fromkeys(("diverges", "gives_up", "rights"), "qemu-user's own threads have rights of their own"),
    "setuid": "qemu-user changes the user of one thread only",
    **dict.fromkeys(("signalled", "signals"), "qemu-user takes and forwards the signals itself"),
    "unshares": "our thread is begun anew all the while, which was not tried under qemu-user",
}


def command(name, words=(), place=None, **settings):
    """A victim's, with the library where there is a place for it. The emulator itself runs without."""
    inside = []
    if place:
        env = place.environment(**settings)
        inside = [word for key in env if key == "LD_PRELOAD" or key.startswith("MTPRELOAD_")
                  for word in ("-E", f"{key}={env[key]}")]
    return [*QEMU, *inside, victim(name), *words]


def outcome(argv, line=""):
    done = subprocess.run(argv, env=without_library(), input=line, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


@fact
def every_victim_is_run_or_its_reason_is_told():
    known = {name for name, *_ in BY_THEMSELVES + TOLD} | set(UNTRIED) | {"api"}
    there = {os.path.basename(path)[len("host_"):-2] for path in glob.glob(os.path.join(TOP, "tests/host_*.c"))}
    equal(there - known, set(), "to be run, or to have a reason, in tests/cross.py")
    for name, reason in UNTRIED.items():
        print(f"left out {name}: {reason}")


@fact
def victims_do_the_same_with_the_library():
    for name, *words in BY_THEMSELVES:
        with Place() as place:
            plain = outcome(command(name, words))
            equal(outcome(command(name, words, place)), plain, name)
            equal(place.names(), [], name)


@fact
def victims_do_the_same_though_injected():
    for name, words, line in TOLD:
        plain = outcome(command(name, words), line)
        with Place() as place, Program(command(name, words, place), env=without_library(), stderr=subprocess.PIPE,
                                       **PIPES) as host:
            obeys(place.wait_socket(host.pid))
            out, errors = host.process.communicate(line, timeout=PATIENCE_S)
            equal((host.process.returncode, out, errors), plain, f"{name} {words}")
            equal(place.names(), [], name)


@fact
def the_c_api_leaks_and_frees():
    with Place() as place:
        code, out, errors = outcome(command("api", place=place))
        equal((code, out.splitlines()[1:3], errors), (0, ["alloc 0 used 1048576", "used 0 errno 5"], ""))


@fact
def this_machines_mtctl_leaks_into_it_and_takes_back():
    with Place() as place, Program(command("address", place=place), env=without_library(), **PIPES) as host:
        path = place.wait_socket(host.pid)
        mtctl(path, "mt.mem_alloc", "64m")
        equal(mtctl(path, "mt.mem_used", "m"), "64\n")
        with Client(path) as client:
            test = client.call("mt.mem_test_start", 1, 64, 256, 1, 2, "1h", "k")
            wait_for(lambda: client.call("mt.mem_test_list", test)[0]["overflows"] > 0, "the test to have freed once")
        assert int(mtctl(path, "mt.reset")) >= 64 * MIB
        equal(mtctl(path, "mt.mem_used"), "0\n")
        host.tell()


run_facts()
