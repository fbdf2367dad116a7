#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of a command when its client goes, or another one resets."""

import resource
import socket

from harness import MIB, Client, Place, Program, equal, fact, resident, run_facts, wait_for


@fact
def a_client_that_hangs_up_cancels_its_own_command():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as watcher:
            with Client(path) as other:
                other.send("mt.mem_rnd_alloc 1 1 2g\n")
                wait_for(lambda: watcher.call("mt.mem_used") > 0, "the command to begin")
            wait_for(lambda: watcher.call("mt.status")["clients"] == 1, "the hang-up to be seen")
            used = watcher.call("mt.mem_used")
            assert used < 2 << 30, used
            wait_for(lambda: still(watcher), "the command to stop")
            assert watcher.call("mt.mem_free") > 0
        assert resident(host.pid) < 200 * MIB


def still(watcher):
    """Nothing is being allocated: two readings, with work in between, are the same."""
    before = watcher.call("mt.mem_used")
    for _ in range(50):
        watcher.call("mt.mem_test_list")
    return watcher.call("mt.mem_used") == before


@fact
def a_hang_up_is_seen_where_the_host_may_have_no_more_descriptors():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as watcher, Client(path) as other:
            for client in (watcher, other):
                client.call("mt.mem_used")
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (2, resource.prlimit(host.pid, resource.RLIMIT_NOFILE)[1]))
            other.send("mt.mem_rnd_alloc 1 1 2g\n")
            wait_for(lambda: watcher.call("mt.mem_used") > 0, "the command to begin")
            other.socket.close()
            wait_for(lambda: watcher.call("mt.status")["clients"] == 1, "the hang-up to be seen")
            assert watcher.call("mt.mem_used") < 2 << 30
            watcher.call("mt.reset")


@fact
def reset_stops_a_command_of_another_client():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as busy, Client(path) as other:
            busy.send("mt.mem_rnd_alloc 1 1 2g\n")
            wait_for(lambda: other.call("mt.mem_used") > 0, "the command to begin")
            other.call("mt.reset")
            assert busy.until(b"\n\n").startswith("409 cancelled: "), busy
            other.call("mt.mem_free")
            equal(other.call("mt.mem_used"), 0)


@fact
def a_client_that_hangs_up_does_not_stop_its_reset():
    with Place() as place, Program(["sleep", "1000"],
                                   env=place.environment(check_content=1)) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as watcher:
            watcher.call("mt.mem_rnd_alloc", 64, 64, "30m")
            with Client(path) as other:
                other.send("mt.reset\n")
            wait_for(lambda: watcher.call("mt.mem_used") == 0, "the reset to go on to its end")


@fact
def a_half_closed_client_gets_its_answers():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.send("mt.mem_alloc 10 k\nmt.mem_used\nmt.mem_used k")
            client.socket.shutdown(socket.SHUT_WR)
            equal([client.until(b"\n\n") for _ in range(3)],
                  ["200 OK", "200 OK\n10240", "200 OK\n10"])
            equal(client.socket.recv(10), b"")


run_facts()
