#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hosts built with AddressSanitizer. gcc's runtime is a shared library that wants to be the first of
all: either it is preloaded before us, and takes the host's calls, or its check is turned off, and it is
the allocator behind us. clang's is in the program, as a host's own malloc. LeakSanitizer is on in each."""

import os
import re
import select
import subprocess

from harness import (LIB, MIB, PATIENCE_S, TOP, Client, Place, Program, equal, fact, near, resident,
                     run_facts)


def runtime():
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True,
                           check=True)
    return os.path.realpath(found.stdout.strip())


# compiler, LD_PRELOAD, ASAN_OPTIONS, then what mt.info says of it
BEHIND_US = ("gcc", LIB, "verify_asan_link_order=0", "libasan.so", 1)
BEFORE_US = ("gcc", f"{runtime()} {LIB}", "", "libasan.so", 0)
# Its symbolizer would be another package; addr2line comes with the linker.
IN_THE_HOST = ("clang", LIB, "external_symbolizer_path=/usr/bin/addr2line", "host_", 0)


# LeakSanitizer's remark in a child of any program with threads (gcc 12): the parent's are still listed.
REMARK = re.compile(r"==\d+==Running thread \d+ was not suspended\. False leaks are possible\.\n")


class Host(Program):
    """tests/host_NAME.c, built and started in one of the three ways."""

    def __init__(self, way, place, name, *words, lsan="", **settings):
        compiler, preload, options, self.allocator, self.in_path = way
        path = os.path.join(place.path, f"host_{name}")
        subprocess.run([compiler, "-g", "-I.", "-D_GNU_SOURCE", "-fsanitize=address", "-fno-builtin",
                        f"tests/host_{name}.c", "-o", path], cwd=TOP, check=True)
        env = dict(place.environment(**settings), LD_PRELOAD=preload, ASAN_OPTIONS=options,
                   LSAN_OPTIONS=lsan)
        super().__init__([path, *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)

    def end(self):
        out, err = self.process.communicate("", timeout=PATIENCE_S)
        return self.process.returncode, out, REMARK.sub("", err)


def each_way(function):
    def in_each_way():
        for way in (BEHIND_US, BEFORE_US, IN_THE_HOST):
            with Place() as place:
                function(way, place)
    in_each_way.__name__ = function.__name__
    return fact(in_each_way)


def without_our_leaks(place):
    """For LSAN_OPTIONS: what a user writes who wants only the host's own leaks."""
    path = os.path.join(place.path, "suppressions")
    with open(path, "w") as file:
        file.write("leak:libmtpreload.so\n")
    return f"print_suppressions=0:suppressions={path}"


@each_way
def what_is_injected_goes_through_the_sanitizer_and_back(way, place):
    with Host(way, place, "address", check_content=1) as host:
        with Client(place.wait_socket(host.pid)) as client:
            info = client.call("mt.info")
            assert info["allocator"].startswith(host.allocator), info
            equal(info["in_path"], host.in_path)
            before = resident(host.pid)
            client.call("mt.mem_alloc", "100m")
            near(resident(host.pid) - before, 100 * MIB, MIB, "growth")
            client.call("mt.mem_rnd_alloc", 1, 1000, "1m")
            equal(client.call("mt.mem_free"), 101 * MIB)
            equal(client.call("mt.status")["corruptions"], 0)
        equal((host.end(), place.names()), ((0, "ready\n", ""), []))


@each_way
def what_is_held_at_the_end_is_reported_as_a_leak_of_ours(way, place):
    with Host(way, place, "address") as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", "3m")
            # The last address that our thread had to do with may still lie in a register of its, and so be no leak.
            client.call("mt.mem_alloc", 1)
        status, _, err = host.end()
        # It ends the process then and there: the name stays, for the next to prune.
        leak = re.search(r"leak of (\d+) byte", err)
        assert status != 0 and leak and int(leak[1]) >= 3 * MIB, err
        assert "in transit_in" in err, err


@each_way
def a_suppression_by_our_name_keeps_such_a_leak_quiet(way, place):
    with Host(way, place, "address", lsan=without_our_leaks(place)) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_rnd_alloc", 1, 1000, "1m")
        equal((host.end(), place.names()), ((0, "ready\n", ""), []))


@each_way
def a_forked_child_answers_and_frees(way, place):
    with Host(way, place, "adopt") as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_rnd_alloc", 1, 1000, "1m")
            host.process.stdin.write("\n")
            host.process.stdin.flush()
            with Client(place.wait_socket(int(host.process.stdout.readline()))) as child:
                equal(child.call("mt.mem_free"), MIB)
            client.call("mt.mem_free")
        equal((host.end(), place.names()), ((0, "", ""), []))


@each_way
def forks_survive_while_commands_hammer(way, place):
    with Host(way, place, "asan", "20", lsan=without_our_leaks(place)) as host:
        with Client(place.wait_socket(host.pid)) as client:
            host.process.stdin.write("\n")
            host.process.stdin.flush()
            while not select.select([host.process.stdout], [], [], 0)[0]:
                client.call("mt.mem_rnd_alloc", 1, 3000, "300k")
                client.call("mt.mem_free")
        equal((host.end(), place.names()), ((0, "20 children\n", ""), []))


run_facts()
