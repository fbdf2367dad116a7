#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What was injected goes away by itself: the lease, the file STOP, and both where memory has run out."""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import time

from harness import (MIB, PIPES, Client, Place, Program, equal, fact, near, resident, run_facts,
                     victim, wait_for)

IDLE = ["sleep", "1000"]
TEST = ("mt.mem_test_start", "64k", "64k", "10m", 1, 1, "1h")
INJECTING = ["mt.mem_alloc 10", "mt.mem_rnd_alloc 1 2 10", "mt.mem_test_start 1 1 1 1 1 1h"]

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


def our_thread(pid):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as comm:
            if comm.read() == "mtpreload\n":
                return tid
    return None


def inotifies(pid, tid):
    """How many inotify instances are in the descriptor table of this thread."""
    count, folder = 0, f"/proc/{pid}/task/{tid}/fd"
    for fd in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{fd}") == "anon_inode:inotify"
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def watches(pid):
    """Does our thread hold an inotify instance? The host's own table never does."""
    equal(inotifies(pid, pid), 0, "in the host's table")
    return inotifies(pid, our_thread(pid))


def inject(client):
    # No small block among them, not even as the last: glibc's thread cache might keep it, and
    # the pages below.
    client.call("mt.mem_rnd_alloc", 51200, 51200, "50m")
    client.call(*TEST)
    wait_for(lambda: client.call("mt.mem_used") > 50 * MIB, "the test to hold something")


def nothing_is_left(client):
    """mt.status comes last: it looks for STOP itself."""
    return client.call("mt.mem_used") == 0 and client.call("mt.status")["tests_running"] == 0


def wait_given_back(pid, before):
    """The last of it is given back a moment after nothing is held any more."""
    wait_for(lambda: resident(pid) <= before + 3 * MIB, f"RSS to be {before} again")


# The library's promise that what is to be taken back is so within a second is not timed from here, where a slow machine would
# be taken for a slow library. A leak with a chunk every 10 ms counts for us: it goes on until it is stopped, and of what it is late
# it makes up no more than 100 ms' worth, so while our thread cannot run it hardly counts.
TICK_BYTES = 4 * MIB
LEAK_TICKS = "mt.leak_start 400m size=4m kind=mmap"
TICKS = dict(touch=0, min_available_percent=0)
SECOND = 100
LATE = 50  # some turns' worth of what is made up


def address_space(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def ticks_after(host, client, cause):
    """How many chunks the leak has made until it was stopped, since `cause` was called while the host could not run."""
    before = address_space(host.pid)
    equal(client.ask(LEAK_TICKS), "200 OK\n1")
    wait_for(lambda: client.call("mt.mem_used") > 10 * TICK_BYTES, "some ticks")
    host.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, host.pid, os.WSTOPPED)
    had = round((address_space(host.pid) - before) / TICK_BYTES)
    cause()
    host.process.send_signal(signal.SIGCONT)
    # The list does not look for STOP, as mt.status would.
    test = wait_for(lambda: [test for test in client.call("mt.mem_test_list") if test["state"] == "stopped"], "its end")[0]
    made = test["total_alloc"] // TICK_BYTES - had
    print(f"{made} ticks", flush=True)
    return made


class Stop:
    """The file STOP in the sockets' directory."""

    def __init__(self, place):
        self.path = os.path.join(place.run, "STOP")

    def __enter__(self):
        open(self.path, "w").close()
        return self

    def __exit__(self, *_):
        os.unlink(self.path)

    def refuses(self, client):
        for line in INJECTING:
            equal(client.ask(line), f"403 stopped by {self.path} (remove it to go on)", line)


def without_descriptors(host, client):
    hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)[1]
    client.call("mt.mem_used")  # it has been accepted
    resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (0, hard))


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
def a_heap_of_random_sizes_is_given_back():
    for seed in (4, 16):  # one of the sizes is rare among the oldest blocks
        with Place() as place, Program(IDLE, env=place.environment(seed=seed)) as host, \
                Client(place.wait_socket(host.pid)) as client:
            before = resident(host.pid)
            client.call("mt.mem_rnd_alloc", 1, 1000, "10m")
            client.call("mt.reset")
            near(resident(host.pid), before, 3 * MIB, f"RSS, seed {seed}")


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


@fact
def a_lease_outlives_an_absence_of_our_thread():
    if os.geteuid():
        return  # its host could not unshare anything
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
                    equal(other.call("mt.mem_used"), 0, what)
                wait_given_back(host.pid, before)
                resource.prlimit(host.pid, resource.RLIMIT_AS,
                                 (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                equal(client.ask("mt.mem_alloc 100m"), "200 OK", what)


run_facts()
