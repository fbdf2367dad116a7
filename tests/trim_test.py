#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mt.mem_trim with the C library's own allocator; live_allocators.py has the others."""

import os
import resource
import select

from harness import (MIB, Client, Place, Program, equal, fact, mtctl, near, resident, run_facts,
                     value, wait_for)

# One size alone; sizes that leave a rest (the last chunk is trimmed), and none; a thread cache's all and more.
SIZES = ((1, 64), (1, 500), (1, 1000), (40, 40), (64, 64), (300, 300), (512, 512), (1033, 1033),
         (2000, 2000), (4096, 4096), (65536, 65536))
# So few of these are of the thread cache's sizes that it would keep some from anywhere in the heap.
WIDE = ((1, 5000), (100, 3000), (1000, 1400), (1000, 1700), (1000, 2000), (900, 10000))
SMALL_PART = 64 * MIB // 50


class Host(Program):
    """A program that sleeps, with a client."""

    def __init__(self, place, **settings):
        super().__init__(["sleep", "1000"], env=place.environment(**settings))
        self.place = place

    def __enter__(self):
        super().__enter__()
        self.path = self.place.wait_socket(self.pid)
        self.client = Client(self.path).__enter__()
        return self

    def __exit__(self, *error):
        self.client.__exit__(*error)
        super().__exit__(*error)


def left(host, least, most):
    """What 64 MiB in chunks of these sizes leave resident after they were freed."""
    host.client.call("mt.mem_used")
    before = resident(host.pid)
    host.client.call("mt.mem_rnd_alloc", least, most, "64m")
    assert resident(host.pid) - before >= 64 * MIB
    equal(host.client.call("mt.mem_free"), 64 * MIB)
    return resident(host.pid) - before


@fact
def small_chunks_of_any_size_leave_when_they_are_freed():
    for sizes in SIZES:
        with Place() as place, Host(place) as host:
            near(left(host, *sizes), 0, SMALL_PART, f"{sizes}")


@fact
def chunks_of_widely_random_sizes_leave_too():
    for sizes in WIDE:
        with Place() as place, Host(place) as host:
            near(left(host, *sizes), 0, SMALL_PART, f"{sizes}")


def held_then(host, *commands):
    """What stays resident of all that the last of these commands frees."""
    host.client.call("mt.mem_used")
    before = resident(host.pid)
    for command in commands:
        host.client.call(*command)
    equal(host.client.call("mt.mem_used"), 0)
    return resident(host.pid) - before


@fact
def what_is_freed_in_parts_leaves_as_well():
    alloc = ("mt.mem_rnd_alloc", 512, 512, "64m")
    for commands in (
            (alloc, ("mt.mem_free", "64m")),
            (alloc, ("mt.mem_free", "63m"), ("mt.mem_free",)),
            (("mt.mem_rnd_alloc", 1, 64, "64m"), ("mt.mem_free", "63m"), ("mt.mem_free",)),
            (("mt.mem_rnd_alloc", 4096, 4096, "32m"), ("mt.mem_rnd_alloc", 512, 512, "100k"), ("mt.mem_free",)),
            (("mt.mem_rnd_alloc", 1000, 2000, "64m"), ("mt.reset",)),
    ):
        with Place() as place, Host(place) as host:
            near(held_then(host, *commands), 0, SMALL_PART, f"{commands}")


@fact
def chunks_of_many_tests_leave_when_all_are_destroyed():
    with Place() as place, Host(place) as host:
        host.client.call("mt.mem_used")
        before = resident(host.pid)
        for _ in range(31):
            host.client.call("mt.mem_test_start", 1000, 2000, "1g", 1, 1, "1m")
        wait_for(lambda: host.client.call("mt.mem_used") > 50 * MIB, "the tests")
        host.client.call("mt.mem_test_destroy_all")
        near(resident(host.pid) - before, 0, SMALL_PART, "")


@fact
def blocks_that_a_test_cycles_through_hold_nothing_back():
    with Place() as place, Host(place) as host:
        host.client.call("mt.mem_used")
        before = resident(host.pid)
        host.client.call("mt.mem_test_start", 1, 1000, "100k", 1, 1, "10m")
        for _ in range(6):
            host.client.call("mt.mem_rnd_alloc", 1, 900, "64m")
            host.client.call("mt.mem_free", "63m")
        host.client.call("mt.reset")
        near(resident(host.pid) - before, 0, 2 * SMALL_PART, "")


@fact
def it_works_whatever_the_thread_cache_may_hold():
    for places in (0, 1, 7, 16, 100):
        tunables = f"glibc.malloc.tcache_count={places}"
        with Place() as place, \
                Program(["sleep", "1000"], env=dict(place.environment(), GLIBC_TUNABLES=tunables)) as host, \
                Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_used")
            before = resident(host.pid)
            client.call("mt.mem_rnd_alloc", 1000, 2000, "64m")
            equal(client.call("mt.mem_free"), 64 * MIB)
            if places <= 16:
                near(resident(host.pid) - before, 0, SMALL_PART, f"{places}")


@fact
def a_reset_with_no_addresses_left_gives_back_too():
    with Place() as place, Host(place) as host:
        host.client.call("mt.mem_used")
        before = resident(host.pid)
        host.client.call("mt.mem_rnd_alloc", 1000, 2000, "64m")
        with open(f"/proc/{host.pid}/statm") as sizes:
            used = int(sizes.read().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.prlimit(host.pid, resource.RLIMIT_AS, (used, used))
        resource.prlimit(host.pid, resource.RLIMIT_DATA, (MIB, MIB))
        host.client.call("mt.reset")
        equal(host.client.call("mt.mem_used"), 0)
        near(resident(host.pid) - before, 0, SMALL_PART, "")


@fact
def it_says_what_was_resident_before_and_after():
    with Place() as place, Host(place) as host:
        got = host.client.call("mt.mem_trim")
        equal(list(got), ["how", "resident_before", "resident_after"])
        near(got["resident_after"], resident(host.pid), MIB, "as the kernel counts pages")
        host.client.call("mt.mem_alloc", "100m")
        near(host.client.call("mt.mem_trim")["resident_before"] - got["resident_after"], 100 * MIB, MIB)
        equal(value(host.path, "mt.mem_trim", "t"),
              {"how": "malloc_trim", "resident_before": 0, "resident_after": 0})


def answers_while_it_trims(host, other):
    """Does another client get two answers before the one that asked for the trim has its own? The first of them may
    have come before the trim began."""
    host.client.call("mt.mem_rnd_alloc", 100, 3000, "400m")
    host.client.call("mt.mem_free")
    host.client.send("mt.mem_trim\n")
    for _ in range(2):
        equal(other.call("mt.mem_used"), 0)
    waits = not select.select([host.client.socket], [], [], 0)[0]
    assert "malloc_trim" in host.client.until(b"\n\n")
    return waits


@fact
def others_are_answered_while_a_trim_is_under_way():
    with Place() as place, Host(place) as host, Client(host.path) as other:
        assert any(answers_while_it_trims(host, other) for _ in range(10))
        wait_for(lambda: len(os.listdir(f"/proc/{host.pid}/task")) == 2, "its thread to be gone")


@fact
def what_is_held_stays_whole():
    with Place() as place, Host(place, check_content=1) as host:
        for least, most in SIZES:
            host.client.call("mt.mem_rnd_alloc", least, most, "8m")
        host.client.call("mt.mem_free", "20m")
        for _ in range(3):
            host.client.call("mt.mem_trim")
        assert host.client.call("mt.mem_free") >= (len(SIZES) * 8 - 21) * MIB
        equal(host.client.call("mt.status")["corruptions"], 0)


@fact
def it_is_logged_with_its_caller():
    with Place() as place:
        log = os.path.join(place.path, "log")
        with Host(place, log=log) as host:
            mtctl(host.path, "mt.mem_trim")
        with open(log) as lines:
            assert any("mt.mem_trim" in line for line in lines)


run_facts()
