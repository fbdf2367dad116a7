#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mt.mem_trim with the C library's own allocator; live_allocators.py has the others."""

import os
import select

from harness import (MIB, Client, Place, Program, equal, fact, mtctl, near, resident, run_facts,
                     value, wait_for)

# One size alone; sizes that leave a rest (the last chunk is trimmed), and none; a thread cache's all and more.
SIZES = ((1, 64), (1, 500), (1, 1000), (40, 40), (64, 64), (300, 300), (512, 512), (1033, 1033),
         (2000, 2000), (4096, 4096), (65536, 65536))
# So few of these are of the thread cache's sizes that it may keep some from anywhere in the heap.
WIDE = ((1, 5000), (100, 3000))


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


def left(host, least, most, *then):
    """What 64 MiB in chunks of these sizes leave resident, after they were freed and the other commands given."""
    host.client.call("mt.mem_used")
    before = resident(host.pid)
    host.client.call("mt.mem_rnd_alloc", least, most, "64m")
    assert resident(host.pid) - before >= 64 * MIB
    equal(host.client.call("mt.mem_free"), 64 * MIB)
    for command in then:
        host.client.call(command)
    return resident(host.pid) - before


@fact
def small_chunks_of_any_size_leave_when_they_are_freed():
    for sizes in SIZES:
        with Place() as place, Host(place) as host:
            near(left(host, *sizes), 0, 64 * MIB // 50, f"{sizes}")


@fact
def what_is_left_of_others_leaves_with_a_trim():
    for sizes in WIDE:
        with Place() as place, Host(place) as host:
            near(left(host, *sizes, "mt.mem_trim"), 0, 64 * MIB // 50, f"{sizes}")


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
