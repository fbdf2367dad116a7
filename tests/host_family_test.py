#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What we hand on ends in the allocator that the host's own free leads to: each function of the family, before and behind
each allocator, in programs that bring none, four functions or all of them. Injection goes through that allocator, too."""

import os
import re
import subprocess

from harness import (ALLOCATORS, LIB, MIB, PATIENCE_S, PIPES, Client, Place, Program, equal, fact, library, run_facts, victim,
                     without_library)

OWN = ("family_four", "family_some", "family_all")
PROGRAMS = ("family_none", "family_stubs", *OWN)
WRAPPERS = ("fiu_run_preload.so", "fiu_posix_preload.so")  # with nothing that fails: of three functions, and not of free
ODD_BYTES = 54321
ALIGNED = 5  # functions, of which none can be made of the four


def orders(*others):
    """What is preloaded, and whether we are behind them."""
    yield (*others, LIB), True
    if others:
        yield (LIB, *others), False


def argv(program, others, behind):
    """mimalloc alone has a reallocarray, which is called past us where it is before us."""
    foreign = program in ("family_four", "family_some") and behind and any("mimalloc" in name for name in others)
    return [victim(program)] + ["foreign"] * foreign


def owner(program, others):
    """Who answers the host's malloc."""
    if program in OWN:
        return "host_" + program
    return next((os.path.basename(name) for name in others if "fiu" not in name), "libc.so.6")


def combinations():
    for others in ((), *((library(name),) for name in ALLOCATORS), tuple(library("fiu/" + name) for name in WRAPPERS)):
        for preloads, behind in orders(*others):
            for program in PROGRAMS:
                yield program, others, preloads, behind


@fact
def each_block_goes_back_to_who_made_it():
    for program, others, preloads, behind in combinations():
        with Place() as place:
            env = {**place.environment(), "LD_PRELOAD": " ".join(preloads), "FIU_CTRL_FIFO": ""}
            done = subprocess.run(argv(program, others, behind), env=env, input="\n", capture_output=True, text=True,
                                  timeout=PATIENCE_S)
            what = f"{program} {preloads}"
            said = re.fullmatch(r"right (\d)\n0 0\n", done.stdout)
            assert said and (done.stderr, done.returncode) == ("", 0), (what, done)
            if not (behind and others):
                equal(int(said[1]), ALIGNED if program == "family_four" else 0, what)


@fact
def injection_goes_through_the_allocator_that_the_host_uses():
    for program, others, preloads, behind in combinations():
        what = f"{program} {preloads}"
        with Place() as place:
            env = {**place.environment(), "LD_PRELOAD": " ".join(preloads), "FIU_CTRL_FIFO": ""}
            with Program(argv(program, others, behind), env=env, **PIPES) as host, \
                    Client(place.wait_socket(host.pid)) as client:
                info = client.call("mt.info")
                wrapped = not behind and "fiu" in preloads[-1]
                if not wrapped or info["in_path"] == 0:
                    equal(info["allocator"], owner(program, others), what)
                own = program in OWN
                equal(info["in_path"], int(not own and (not behind or not others or "fiu" in others[0])), what)
                client.call("mt.mem_rnd_alloc", 16, 5000, MIB)
                client.call("mt.mem_alloc", ODD_BYTES)
                equal(client.call("mt.mem_used"), MIB + ODD_BYTES, what)
                client.call("mt.mem_free", 1000)
                client.call("mt.reset")
                equal(client.call("mt.mem_used"), 0, what)
                assert host.hear().startswith("right "), what
                host.tell()
                equal(host.hear(), "1 1\n" if own else "0 0\n", what)
                equal(host.finish(), ("", 0), what)


@fact
def the_programs_are_right_without_us():
    for program in PROGRAMS:
        done = subprocess.run([victim(program)], env=without_library(), input="\n", capture_output=True, text=True,
                              timeout=PATIENCE_S)
        assert re.fullmatch(r"right \d\n0 0\n", done.stdout) and (done.stderr, done.returncode) == ("", 0), (program, done)


run_facts()
