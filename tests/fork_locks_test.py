#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""fork beside our thread: whatever locks the host takes for it, and wherever our thread is."""

import os

from harness import PIPES, Client, Place, Program, equal, fact, run_facts, victim

COUNT = 1000 * int(os.environ.get("MT_STORM", "1"))


def forks_while_allocating(name):
    """The host forks while a client has our thread allocate and free without end."""
    with Place() as place, Program([victim(name), str(COUNT)], place.environment(), **PIPES) as host:
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


run_facts()
