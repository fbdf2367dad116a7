#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What was injected goes away by itself: by reset, by the file STOP, and where memory has run out."""

import errno
import os
import re
import resource
import subprocess
import sys

from harness import (MIB, PIPES, Client, Place, Program, equal, fact, near, resident, run_facts,
                     wait_for)
from safety import (IDLE, LATE, SECOND, TICKS, Stop, inject, nothing_is_left, our_thread, ticks_after,
                    wait_given_back, watches)

# A host that calls the C API for each line, and says what came of it.
SELF_LEAK = """
import ctypes, sys
lib = ctypes.CDLL(None, use_errno=True)
lib.mt_mem_alloc.argtypes = [ctypes.c_size_t]
print("ready", flush=True)
for line in sys.stdin:
    rc = lib.mt_mem_alloc(int(line))
    print(rc, ctypes.get_errno() if rc else 0, flush=True)
"""


def without_descriptors(host, client):
    hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)[1]
    client.call("mt.mem_used")  # it has been accepted
    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (0, hard))


@fact
def a_heap_of_random_sizes_is_given_back():
    for seed in (4, 16):  # one of the sizes is rare among the oldest blocks
        with Place() as place, Program(IDLE, env=place.environment(seed=seed)) as host, \
                Client(place.wait_socket(host.pid)) as client:
            before = resident(host.pid)
            client.call("mt.mem_rnd_alloc", 1, 1000, "10m")
            client.call("mt.reset")
            near(resident(host.pid), before, 3 * MIB, f"RSS, seed {seed}")


@fact
def stop_frees_everything_and_refuses_more_until_it_is_removed():
    with Place() as place, Program(IDLE, env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        before = resident(host.pid)
        for _ in range(2):
            equal(client.call("mt.status")["stopped"], "")
            inject(client)
            with Stop(place) as stop:
                wait_for(lambda: nothing_is_left(client), "STOP to be seen")
                wait_given_back(host.pid, before)
                stop.refuses(client)
                equal(client.call("mt.status")["stopped"], stop.path)
                equal(client.ask("mt.mem_free"), "200 OK\n0")
                wait_for(lambda: not watches(host.pid), "the watch to end")
            equal(client.ask("mt.mem_alloc 10"), "200 OK")
            equal(client.call("mt.reset"), 10)


@fact
def stop_is_seen_without_anybody_asking():
    with Place() as place, Program(IDLE, env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        before = resident(host.pid)
        with Client(path) as client:
            client.call("mt.mem_alloc", "50m")
        wait_for(lambda: watches(host.pid), "the watch to begin")
        with Stop(place):
            wait_for(lambda: not watches(host.pid), "the watch to end")
            wait_given_back(host.pid, before)
        with Client(path) as client:
            equal(client.call("mt.mem_used"), 0)


@fact
def stop_is_seen_within_a_second():
    with Place() as place, Program(IDLE, env=place.environment(**TICKS)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        made = ticks_after(host, client, Stop(place).__enter__)
        assert made < LATE, made


@fact
def stop_is_seen_within_a_second_by_who_cannot_watch():
    with Place() as place, Program(IDLE, env=place.environment(**TICKS)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        without_descriptors(host, client)
        made = ticks_after(host, client, Stop(place).__enter__)
        assert made < SECOND + LATE, made


@fact
def stop_counts_from_the_start():
    with Place() as place, Stop(place) as stop:
        with Program(IDLE, env=place.environment()) as host, \
                Client(place.wait_socket(host.pid)) as client:
            stop.refuses(client)
            os.unlink(stop.path)
            equal(client.ask("mt.mem_alloc 10"), "200 OK")
            open(stop.path, "w").close()
            wait_for(lambda: nothing_is_left(client), "STOP to be seen")


@fact
def stop_beside_a_fixed_socket_counts():
    with Place() as place:
        path = os.path.join(place.path, "x.sock")
        with Program(IDLE, env=place.environment(socket=path)) as host:
            wait_for(lambda: os.path.exists(path), path)
            with Client(path) as client, Stop(place):
                equal(client.ask("mt.mem_alloc 10"), "200 OK")
                equal(client.call("mt.mem_used"), 10)
                open(os.path.join(place.path, "STOP"), "w").close()
                wait_for(lambda: nothing_is_left(client), "STOP to be seen")
                assert client.ask("mt.mem_alloc 10").startswith("403 "), host.pid


@fact
def stop_cancels_a_command_that_is_under_way():
    with Place() as place, Program(IDLE, env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as busy, \
            Client(place.socket(host.pid)) as watcher:
        busy.send("mt.mem_rnd_alloc 1 1 2g\n")
        wait_for(lambda: watcher.call("mt.mem_used") > 0, "the command to begin")
        with Stop(place):
            said = busy.until(b"\n\n")
            assert re.fullmatch(r"409 cancelled: \d+ chunks, \d+ bytes were allocated until then, and everything is being freed",
                                said), said
            wait_for(lambda: nothing_is_left(watcher), "all to be freed")


@fact
def reset_tells_of_all_that_was_held_also_of_what_was_under_way():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as other, Client(path) as client:
            client.call("mt.mem_alloc", 1000)
            client.call("mt.leak_start", rate=1, shape="step", limit="256m", size="256m")
            other.send('{"jsonrpc":"2.0","method":"mt.mem_alloc","params":["512m"],"id":1}\n')
            wait_for(lambda: client.call("mt.mem_used") == 1000 + 768 * MIB, "both to be in hand, or done")
            equal(client.call("mt.reset"), 1000 + 768 * MIB)
            equal(client.call("mt.mem_used"), 0)


@fact
def the_c_api_is_refused_and_taken_back_too():
    with Place() as place, Program([sys.executable, "-c", SELF_LEAK], env=place.environment(),
                                   **PIPES) as host:
        equal(host.hear(), "ready\n")
        place.wait_socket(host.pid)
        wait_for(lambda: our_thread(host.pid), "our thread")
        # No client is connected, so nothing but the host's own call can wake our thread.
        host.tell("20000000\n")
        equal(host.hear(), "0 0\n")
        wait_for(lambda: watches(host.pid), "the watch to begin")
        with Stop(place):
            wait_for(lambda: not watches(host.pid), "the watch to end")
            host.tell("20000000\n")
            equal(host.hear(), f"-1 {errno.EPERM}\n")
            with Client(place.socket(host.pid)) as client:
                equal(client.call("mt.mem_used"), 0)
        host.tell("20000000\n")
        equal(host.hear(), "0 0\n")
        equal(host.finish()[1], 0)


@fact
def without_descriptors_for_a_watch_stop_is_seen_all_the_same():
    with Place() as place, Program(IDLE, env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        without_descriptors(host, client)
        client.call("mt.mem_alloc", "1m")
        equal(watches(host.pid), 0)
        with Stop(place):
            wait_for(lambda: nothing_is_left(client), "STOP to be seen")


@fact
def two_hundred_idle_instances_hold_no_inotify_instance():
    with Place() as place:
        hosts = [subprocess.Popen(IDLE, env=place.environment()) for _ in range(200)]
        try:
            for host in hosts:
                with Client(place.wait_socket(host.pid)) as client:
                    client.call("mt.mem_alloc", 10)
                    client.call("mt.reset")
            for host in hosts:
                wait_for(lambda h=host: not watches(h.pid), "the watch to end")
            with Client(place.socket(hosts[0].pid)) as client:
                client.call("mt.mem_alloc", 10)
                wait_for(lambda: watches(hosts[0].pid) == 1, "the watch to begin")
                client.call("mt.reset")
                wait_for(lambda: not watches(hosts[0].pid), "the watch to end")
        finally:
            for host in hosts:
                host.kill()
            for host in hosts:
                host.wait()


def exhaust(pid):
    """From now on the process gets no more address space."""
    with open(f"/proc/{pid}/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


@fact
def without_any_memory_all_is_given_back_and_answered():
    with Place() as place:
        for what in ("mt.reset", "mt.lease 1", "STOP"):
            with Program(IDLE, env=place.environment(check_content=1)) as host, \
                    Client(place.wait_socket(host.pid)) as client:
                before = resident(host.pid)
                client.call("mt.mem_rnd_alloc", 1, 1000, "10m")
                inject(client)
                exhaust(host.pid)
                assert client.ask("mt.mem_alloc 100m").startswith("400 memory allocation failed")
                if what == "STOP":
                    with Stop(place):
                        wait_for(lambda: nothing_is_left(client), what)
                else:
                    assert client.ask(what).startswith("200 OK"), what
                    wait_for(lambda: nothing_is_left(client), what)
                with Client(place.socket(host.pid)) as other:
                    equal(other.call("mt.reset"), 0, what)
                wait_given_back(host.pid, before)
                resource.prlimit(host.pid, resource.RLIMIT_AS,
                                 (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                equal(client.ask("mt.mem_alloc 100m"), "200 OK", what)


run_facts()
