#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The victims built for another processor, under qemu-user, with and without the library; mtctl is this machine's."""

import glob
import os
import subprocess

from harness import (BUILD, MIB, PATIENCE_S, PIPES, TOP, Client, Place, Program, by_root, equal, fact, is_root, mtctl,
                     run_facts, victim, wait_for, without_library)
from victims import obeys

# Each with its words and what it is told before it ends.
BY_THEMSELVES = [("early",), ("late",), ("limit", "as", "100000"), ("limit", "data", "100000"),
                 ("plugin", os.path.join(BUILD, "tests", "plugin.so")), ("tsd", "100")]
TOLD = {
    "\n": [("address",), ("clone",), ("close",), ("own_malloc",), ("quiet",), ("signalled", "100"),
           ("signals",), ("tls",), ("unshares",)] +
    [("end", way) for way in ("return", "exit", "_exit", "_Exit", "quick_exit", "signal", "vfork")],
    "\n\n": [("close",), ("full",), ("end", "vfork")],
    "alloc 100\nfree\nalloc 1\n": [("pins",)],
    "alloc 100\nfree\nend\n": [("pins",)],
} | {f"{way}\n": [("churn",)] for way in ("exit", "_exit", "abort", "return")}
AS_ROOT = {"\n": [("gives_up", way) for way in ("capset", "bounding")] +
           [("diverges", who, call) for who in ("main", "helper") for call in ("unshare", "seteuid")]}


def each_told(told):
    return [(*words, line) for line, victims in told.items() for words in victims]


# Each forks so often, where its children have no thread of ours.
FORKS = [("fork", "5"), ("held_mutex", "5"), ("late_locks", "5")]
FAMILIES = {"none": 0, "stubs": 0, "four": 5, "some": 0, "all": 0}  # functions that still lead past the host's free
ODD_BYTES = 54321  # which those with an allocator of their own count
OF_THEIR_OWN = ["api", "mlock", "rights"] + ["family_" + name for name in FAMILIES]
LEFT_OUT = os.environ.get("MT_LEFT_OUT", "").split()  # for reasons that stand in the Makefile


def command(name, words=(), place=None, **settings):
    """A victim's, with the library where there is a place for it. The emulator itself runs without."""
    inside = []
    if place:
        env = place.environment(**settings)
        inside = [word for key in env if key == "LD_PRELOAD" or key.startswith("MTPRELOAD_")
                  for word in ("-E", f"{key}={env[key]}")]
    return ["qemu-aarch64", *inside, victim(name), *words]


def outcome(argv, line=""):
    done = subprocess.run(argv, env=without_library(), input=line, capture_output=True, text=True,
                          timeout=2 * PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def victim_with(place, name, *words):
    return Program(command(name, words, place), env=without_library(), stderr=subprocess.PIPE, **PIPES)


@fact
def every_victim_is_run_or_is_in_the_makefiles_list():
    run = {name for name, *_ in BY_THEMSELVES + each_told(TOLD) + each_told(AS_ROOT) + FORKS} | set(OF_THEIR_OWN)
    there = {os.path.basename(path)[len("host_"):-2] for path in glob.glob(os.path.join(TOP, "tests/host_*.c"))}
    equal(sorted(there - run), sorted(LEFT_OUT), "CROSS_LEFT_OUT of the Makefile")


@fact
def victims_do_the_same_with_the_library():
    for name, *words in BY_THEMSELVES:
        with Place() as place:
            plain = outcome(command(name, words))
            equal(outcome(command(name, words, place)), plain, name)
            equal(place.names(), [], name)


@fact
def victims_do_the_same_though_injected():
    for name, *words, line in each_told(TOLD) + each_told(AS_ROOT if is_root() else {}):
        plain = outcome(command(name, words), line)
        with Place() as place:
            os.chmod(place.run, 0o777)  # one that gives its rights up is to take its name along
            with victim_with(place, name, *words) as host:
                obeys(place.wait_socket(host.pid))
                out, errors = host.process.communicate(line, timeout=PATIENCE_S)
                equal((host.process.returncode, out, errors), plain, f"{name} {words}")
            left = [os.path.basename(place.socket(host.pid))] if plain[0] < 0 else []  # a signal has ended it
            equal(place.names(), left, name)


@fact
def a_host_forks_children_without_a_thread():
    for name, *words in FORKS:
        with Place() as place:
            plain = outcome(command(name, words), "\n")
            assert plain[0] == 0, plain
            equal(outcome(command(name, words, place, fork="off"), "\n"), plain, name)
            equal(place.names(), [], name)


@fact
def each_block_goes_back_to_who_made_it():
    for name, past in FAMILIES.items():
        with Place() as place, victim_with(place, "family_" + name) as host:
            with Client(place.wait_socket(host.pid)) as client:
                client.call("mt.mem_alloc", ODD_BYTES)
                client.call("mt.reset")
            out, errors = host.process.communicate("\n", timeout=PATIENCE_S)
            own = name in ("four", "some", "all")
            equal((host.process.returncode, out, errors), (0, f"right {past}\n{'1 1' if own else '0 0'}\n", ""), name)


@fact
def a_host_that_locks_its_memory_obeys():
    with Place() as place, victim_with(place, "mlock", "late") as host:
        equal(host.hear(), "ready\n")
        path = place.wait_socket(host.pid)
        host.tell()
        equal(host.hear(), "locked\n")
        obeys(path)


@by_root
def capabilities_of_a_single_thread_are_what_they_would_be():
    plain = outcome(command("rights"))
    with Place() as place, victim_with(place, "rights") as host:
        said = [host.hear()]
        while said[-1] not in ("ready\n", ""):
            said.append(host.hear())
        obeys(place.wait_socket(host.pid))
        out, code = host.finish()
        equal((code, "".join(said) + out), plain[:2])


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
