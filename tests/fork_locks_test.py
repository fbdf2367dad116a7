#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""fork beside our thread: whatever locks the host takes for it, and wherever our thread is."""

import os

from harness import (MIB, PIPES, Client, Place, Program, by_root, equal, fact, resident, run_facts, victim,
                     wait_for)

COUNT = 1000 * int(os.environ.get("MT_STORM", "1"))


def forks_while_allocating(name, **settings):
    """The host forks while a client has our thread allocate and free without end."""
    with Place() as place, Program([victim(name), str(COUNT)], place.environment(**settings), **PIPES) as host:
        path = place.wait_socket(host.pid)
        rounds = 0
        with Client(path) as client:
            client.ask("mt.mem_rnd_alloc 1 64 1m")
            host.tell()
            try:
                while True:
                    client.ask("mt.mem_rnd_alloc 1 64 1m")
                    client.ask("mt.mem_free")
                    rounds += 1
            except (OSError, AssertionError):
                pass  # it has ended
        equal(host.finish(), (f"{COUNT} forks\n", 0))
        assert rounds, "our thread was not at work"


@fact
def a_host_whose_allocator_takes_its_lock_before_us_forks_while_we_allocate():
    forks_while_allocating("late_locks")


@fact
def a_host_forks_though_a_thread_that_injects_holds_what_its_handler_takes():
    forks_while_allocating("held_mutex")


@fact
def a_child_that_gives_back_what_it_adopts_waits_for_its_allocator():
    forks_while_allocating("late_locks", fork="off")


@fact
def a_host_forks_in_a_signal_handler_while_it_injects():
    with Place() as place, Program([victim("handler_forks"), str(COUNT)], place.environment(), **PIPES) as host:
        place.wait_socket(host.pid)
        host.tell()
        equal(host.finish(), (f"{COUNT} forks\n", 0))


def gives_back(place, host):
    """Holds 200 MiB of each kind, small blocks and all, forks, and looks at what the child has left of it."""
    with Client(place.wait_socket(host.pid)) as client:
        before = resident(host.pid)
        client.call("mt.mem_alloc", "100m")
        client.call("mt.mem_rnd_alloc", "1", "256", "50m")
        for kind in ("mmap", "shmem"):
            client.call("mt.leak_start", shape="step", rate="1g", size="1m", limit="50m", kind=kind)
        wait_for(lambda: resident(host.pid) > before + 240 * MIB, "the leaks")
        host.tell()
        child = int(host.hear())
        wait_for(lambda: resident(child) < before + 20 * MIB, "what the child has adopted to be gone")
        equal(os.listdir(f"/proc/{child}/task"), [str(child)])
        assert client.call("mt.mem_used") >= 250 * MIB, "the parent keeps its own"
        client.call("mt.reset")


@fact
def a_child_that_is_to_have_no_thread_gives_back_what_it_adopted():
    with Place() as place, Program([victim("adopt")], place.environment(fork="off"), **PIPES) as host:
        gives_back(place, host)
        equal(host.finish(), ("", 0))


@by_root
def a_child_that_gets_no_thread_gives_back_what_it_adopted():
    """The user may have three tasks: the host, our thread and the child."""
    nobody_else = 61234
    with Place() as place, Program([victim("adopt"), "3"], place.environment(), user=nobody_else,
                                   group=nobody_else, extra_groups=[], **PIPES) as host:
        gives_back(place, host)
        equal(host.finish(), ("", 0))


run_facts()
