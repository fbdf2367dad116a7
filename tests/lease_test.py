#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The lease: what was injected goes away by itself when nobody renews it."""

import os
import signal
import sys
import time

from harness import MIB, PIPES, Client, Place, Program, by_root, equal, fact, resident, run_facts, victim, wait_for
from safety import (IDLE, LATE, LEAK_TICKS, TICK_BYTES, TICKS, Stop, inject, nothing_is_left, wait_given_back,
                    watches)

# A host that changes its UTS namespace; around that our thread is not there.
UNSHARE = """
import ctypes
lib = ctypes.CDLL(None)
print("ready", flush=True)
input()
print(lib.unshare(0x04000000), flush=True)
input()
"""

# A controller that keeps something injected for as long as it lives, under a short lease.
CONTROLLER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from harness import Client
with Client(sys.argv[2]) as client:
    while True:
        client.call("mt.lease", 500)
        if client.call("mt.mem_used") < 1 << 20:
            client.call("mt.mem_alloc", "50m")
            client.call("mt.mem_test_start", "64k", "64k", "10m", 1, 1, "1h")
        time.sleep(0.1)
"""


@fact
def lease_expiry_frees_every_chunk_and_stops_every_test():
    with Place() as place, Program(IDLE, env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        before = resident(host.pid)
        inject(client)
        equal(client.call("mt.lease", 300), None)
        assert client.call("mt.status")["lease_ms_left"] <= 300
        wait_for(lambda: nothing_is_left(client), "the lease to expire")
        equal(client.call("mt.status")["lease_ms_left"], 0)
        wait_given_back(host.pid, before)
        equal(client.call("mt.mem_test_list")[0]["held"], 0)
        client.call("mt.mem_alloc", "1m")
        equal(client.call("mt.mem_used"), MIB)


@fact
def lease_expires_when_it_is_over_and_not_seconds_later():
    with Place() as place, Program(IDLE, env=place.environment(**TICKS)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        client.send(LEAK_TICKS + "\nmt.lease 500\n")  # one after the other in the same turn
        equal([client.until(b"\n\n"), client.until(b"\n\n")], ["200 OK\n1", "200 OK"])
        test = wait_for(lambda: [test for test in client.call("mt.mem_test_list") if test["state"] == "stopped"],
                        "the lease to expire")[0]
        made = test["total_alloc"] // TICK_BYTES
        print(f"{made} ticks", flush=True)
        assert made < 50 + LATE, made


@fact
def a_renewed_lease_keeps_what_is_held():
    with Place() as place, Program(IDLE, env=place.environment()) as renewed, \
            Program(IDLE, env=place.environment()) as other, \
            Client(place.wait_socket(renewed.pid)) as client, \
            Client(place.wait_socket(other.pid)) as clock:
        client.call("mt.mem_alloc", "1m")
        client.send("mt.lease 300\nmt.lease 1h\n")
        equal([client.until(b"\n\n") for _ in range(2)], ["200 OK"] * 2)
        clock.call("mt.mem_alloc", "1m")
        clock.call("mt.lease", 300)
        wait_for(lambda: clock.call("mt.mem_used") == 0, "another lease of the same length")
        equal(client.call("mt.mem_used"), MIB)
        client.call("mt.lease", 0)
        equal(client.call("mt.status")["lease_ms_left"], 0)


def stop_within(host, seconds, start):
    """Stops the host. True if it has stopped before so much time has passed since `start`."""
    host.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, host.pid, os.WSTOPPED)
    return time.monotonic() - start < seconds


@fact
def a_renewal_that_came_while_the_host_was_stopped_counts():
    with Place() as place, Program(IDLE, env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as client:
            while True:
                client.call("mt.reset")
                client.call("mt.mem_alloc", "1m")
                start = time.monotonic()
                client.call("mt.lease", 500)
                if stop_within(host, 0.5, start):
                    break
                host.process.send_signal(signal.SIGCONT)  # too slow: once more
            with Client(path) as late:
                late.send("mt.lease 1h\n")
                wait_for(lambda: time.monotonic() - start > 0.6, "the lease to be over")
                host.process.send_signal(signal.SIGCONT)
                equal(late.until(b"\n\n"), "200 OK")
            equal(client.call("mt.mem_used"), MIB)


@fact
def a_killed_controllers_injection_is_taken_back():
    with Place() as place, Program(IDLE, env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        before = resident(host.pid)
        with Program([sys.executable, "-c", CONTROLLER, os.path.dirname(os.path.abspath(__file__)),
                      path]) as controller, Client(path) as client:
            wait_for(lambda: client.call("mt.mem_used") >= 50 * MIB, "the controller's injection")
            controller.process.kill()
            controller.process.wait()
            wait_for(lambda: nothing_is_left(client), "the lease to expire")
            wait_given_back(host.pid, before)


@fact
def a_lease_from_the_environment_begins_with_the_process():
    with Place() as place, Program(IDLE, env=place.environment(lease_ms=3600000)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        assert 0 < client.call("mt.status")["lease_ms_left"] <= 3600000
        client.call("mt.mem_alloc", "1m")
        client.call("cfg.set_now_int", "malloc_test", "lease_ms", 0)
        equal(client.call("mt.status")["lease_ms_left"], 0)
        client.call("cfg.set_now_int", "malloc_test", "lease_ms", 1)
        wait_for(lambda: client.call("mt.mem_used") == 0, "the lease to expire")


@fact
def an_expired_lease_is_in_the_log():
    with Place() as place:
        log = os.path.join(place.path, "log")
        with Program(IDLE, env=place.environment(log=log)) as host, \
                Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", "1m")
            client.call("mt.lease", 1)
            wait_for(lambda: "the lease has expired: 1048576 bytes are taken back" in
                     open(log).read(), "the line")


@fact
def a_forked_child_has_its_parents_lease():
    with Place() as place, Program([victim("adopt")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as parent:
            parent.call("mt.mem_alloc", "1m")
            parent.call("mt.lease", "1h")
            host.tell()
            with Client(place.wait_socket(int(host.hear()))) as child:
                assert child.call("mt.status")["lease_ms_left"] > 0
                equal(child.call("mt.mem_used"), MIB)
                child.call("mt.lease", 1)
                wait_for(lambda: child.call("mt.mem_used") == 0, "the child's lease to expire")
            equal(parent.call("mt.mem_used"), MIB)
        equal(host.finish()[1], 0)


@by_root
def a_lease_outlives_an_absence_of_our_thread():
    with Place() as place:
        with Program([sys.executable, "-c", UNSHARE], env=place.environment(), **PIPES) as host:
            equal(host.hear(), "ready\n")
            with Client(place.wait_socket(host.pid)) as client:
                client.call("mt.mem_alloc", "1m")
                client.call("mt.lease", "1h")
                host.tell()
                equal(host.hear(), "0\n")
            with Client(place.wait_socket(host.pid)) as client:
                assert client.call("mt.status")["lease_ms_left"] > 0
                client.call("mt.lease", 1)
                wait_for(lambda: nothing_is_left(client), "the lease to expire")
                inject(client)
                wait_for(lambda: watches(host.pid), "the watch to begin")
                with Stop(place):
                    wait_for(lambda: nothing_is_left(client), "STOP to be seen")


run_facts()
