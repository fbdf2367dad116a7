#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Places for clients: who is served when all are taken, and what memory they cost, also in hosts that lock all of theirs."""

import json
import os
import resource
import socket
import struct
import subprocess
import sys
import threading

from harness import (MIB, PIPES, Client, Place, Program, equal, fact, mtctl, need, resident, run_facts, value, victim, wait_for,
                     without_library)
from wire import binrpc_meaning, binrpc_request

TOO_MANY = "too many connections, 64 are open (only commands that take back are served now, as mt.reset)"
NO_MEMORY = "no memory for another connection (only commands that take back are served now, as mt.reset)"
NO_DESCRIPTOR = "no descriptor for another connection (only commands that take back are served now, as mt.reset)"
PAGE = resource.getpagesize()

# Opens connections without a pause and says nothing, in so many processes.
GREEDY = """
import os, socket, sys
for _ in range(int(sys.argv[2]) - 1):
    if os.fork() == 0:
        break
while True:
    held = []
    for n in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        held.append(s)
    print("more than there are places", flush=True)
"""


class Host:
    def __enter__(self):
        self.place = Place().__enter__()
        self.program = Program(["sleep", "1000"], env=self.place.environment()).__enter__()
        self.path = self.place.wait_socket(self.program.pid)
        self.pid = self.program.pid
        return self

    def __exit__(self, *error):
        assert self.program.process.poll() is None, "the host has died"
        self.program.__exit__(*error)
        self.place.__exit__(*error)


class Crowd:
    """Clients that have asked once and then sit."""

    def __init__(self, path, count=64):
        self.clients = []
        for _ in range(count):
            client = Client(path)
            client.ask("mt.mem_used")
            self.clients.append(client)

    def __enter__(self):
        return self.clients

    def __exit__(self, *_):
        for client in self.clients:
            client.socket.close()


def packet(client):
    """A BINRPC reply of less than 64 KiB."""
    head = client.exactly(2)
    rest = client.exactly((head[1] >> 2 & 3) + 1 + (head[1] & 3) + 1)
    width = (head[1] >> 2 & 3) + 1
    return head + rest + client.exactly(int.from_bytes(rest[:width], "big"))


def is_closed(client):
    return client.socket.recv(1) == b""


@fact
def the_sixty_fifth_is_refused_by_an_answer_to_its_own_request():
    with Host() as host, Crowd(host.path):
        with Client(host.path) as late:
            equal(late.ask("mt.mem_alloc 10 k"), "503 " + TOO_MANY)
            assert is_closed(late)
        with Client(host.path) as late:
            late.send('{"jsonrpc":"2.0","method":"mt.mem_used","id":"mine"}\n')
            reply = json.loads(late.until(b"\n"))
            equal((reply["id"], reply["error"]["code"], reply["error"]["data"], reply["error"]["message"]),
                  ("mine", -32000, {"code": 503}, TOO_MANY))
            assert is_closed(late)
        for cookie in (0x12345678, 7):
            with Client(host.path) as late:
                late.send(binrpc_request("mt.mem_used", cookie=cookie))
                reply = packet(late)
                equal(reply[3 + (reply[1] >> 2 & 3):][:4], struct.pack(">I", cookie))
                equal(binrpc_meaning(reply), ("fault", 503, TOO_MANY))
                assert is_closed(late)


@fact
def a_batch_of_the_sixty_fifth_has_an_answer_for_each_of_its_requests():
    with Host() as host, Crowd(host.path) as clients:
        clients[0].call("mt.mem_alloc", 1000)
        with Client(host.path) as late:
            late.send('[{"jsonrpc":"2.0","method":"mt.mem_used","id":1},{"jsonrpc":"2.0","method":"mt.reset","id":2},'
                      '{"jsonrpc":"2.0","method":"mt.mem_free"},{"jsonrpc":"2.0","method":"mt.status","id":3}]\n')
            replies = json.loads(late.until(b"\n"))
            equal([(r["id"], r.get("result"), r.get("error", {}).get("message")) for r in replies],
                  [(1, None, TOO_MANY), (2, 1000, None), (3, None, TOO_MANY)])
            assert is_closed(late)


@fact
def what_takes_back_is_served_beside_sixty_four_idle_connections():
    with Host() as host, Crowd(host.path) as clients:
        clients[0].call("mt.mem_alloc", 1000)
        first = clients[0].call("mt.leak_start", rate=1, limit=100, size=100)
        second = clients[0].call("mt.leak_start", rate=1, limit=100, size=100)
        with Client(host.path) as late:
            equal(late.ask(f"mt.mem_test_stop {first}"), "200 OK")
            equal(late.ask(f"mt.mem_test_destroy {first}"), "200 OK")
            equal(late.ask("mt.mem_test_destroy_all"), "200 OK")
            equal(late.ask("mt.reset"), "200 OK\n1000")
            equal(late.ask("mt.mem_used"), "503 " + TOO_MANY)
        equal(mtctl(host.path, "mt.reset"), "0\n")
        equal(mtctl(host.path, "mt.mem_used", status=1), f"error: 503 - {TOO_MANY}\n")
        equal(clients[0].refusal("mt.mem_test_stop", second)[0], 400)
        for client in clients:
            equal(client.call("mt.mem_used"), 0, "nobody was hung up on")


@fact
def whoever_was_early_stays_when_a_place_becomes_free():
    with Host() as host, Crowd(host.path) as clients, Client(host.path) as late:
        equal(late.ask("mt.reset"), "200 OK\n0")
        clients.pop().socket.close()
        wait_for(lambda: clients[0].call("mt.status")["clients"] == 63, "the hang-up to be seen")
        equal(late.ask("mt.mem_used"), "200 OK\n0")
        equal(clients[0].call("mt.status")["clients"], 64)


@fact
def status_and_info_tell_how_many_places_are_taken():
    with Host() as host, Crowd(host.path, 3) as clients:
        for method in ("mt.status", "mt.info"):
            got = clients[0].call(method)
            equal((got["clients"], got["clients_limit"]), (3, 64), method)


class Greedy(Program):
    """They have filled all places and the queue before them, and go on."""

    def __init__(self, host, processes):
        super().__init__([sys.executable, "-c", GREEDY, host.path, str(processes)], env=without_library(),
                         stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        super().__enter__()
        self.hear()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        return self


def resets_beside(processes):
    with Host() as host, Crowd(host.path) as clients, Greedy(host, processes):
        for _ in range(10):
            clients[0].call("mt.mem_alloc", 1000)
            equal(mtctl(host.path, "mt.reset"), "1000\n")
        for client in clients:
            equal(client.call("mt.mem_used"), 0)


@fact
def one_who_opens_connections_without_a_pause_keeps_nobody_from_a_reset():
    resets_beside(1)


@fact
def six_who_open_connections_without_a_pause_keep_nobody_from_a_reset():
    resets_beside(6)


@fact
def no_running_command_is_lost_by_making_room():
    with Host() as host, Crowd(host.path) as clients, Greedy(host, 2):
        for client in clients:
            client.send("mt.mem_rnd_alloc 1 1 20k\n")
        for client in clients:
            equal(client.until(b"\n\n"), "200 OK")


@fact
def a_reset_on_a_reserved_place_runs_to_its_end_while_others_come():
    with Host() as host, Crowd(host.path) as clients:
        for _ in range(3):
            clients[0].call("mt.mem_rnd_alloc", 1, 1, "2m")
            with Client(host.path) as late:
                late.send("mt.reset\n")
                with Greedy(host, 2):
                    equal(late.until(b"\n\n"), f"200 OK\n{2 * MIB}")


def written(pid):
    """Bytes of the process's own that are in no file."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous:"))


def measure(mode, library):
    """Resident and private written bytes of the victim, when it and we are idle."""
    with Place() as place:
        env = place.environment() if library else without_library()
        with Program([victim("mlock"), mode], env=env, **PIPES) as host:
            equal(host.hear(), "ready\n")
            if library:
                place.wait_socket(host.pid)
            if mode == "late":
                host.tell()
                equal(host.hear(), "locked\n")
            if library:
                equal(value(place.socket(host.pid), "mt.mem_used"), 0)
            return resident(host.pid), written(host.pid)


@fact
def a_host_that_locks_its_memory_has_at_most_a_mebibyte_more_resident():
    for mode in ("early", "future", "late"):
        (bare, _), (ours, _) = measure(mode, False), measure(mode, True)
        print(f"   {mode}: {(ours - bare) / 1024:.0f} KiB more resident")
        assert ours - bare <= MIB, (mode, ours - bare)


@fact
def an_idle_host_has_at_most_150_kib_more_of_its_own():
    (_, bare), (_, ours) = measure("none", False), measure("none", True)
    print(f"   {(ours - bare) / 1024:.0f} KiB more, private and written")
    assert ours - bare <= 150 * 1024, ours - bare


@fact
def buffers_go_with_their_clients():
    for mode in ("none", "early", "late"):
        with Place() as place, Program([victim("mlock"), mode], env=place.environment(), **PIPES) as host:
            equal(host.hear(), "ready\n")
            path = place.wait_socket(host.pid)
            with Client(path) as watcher:
                before = settled(watcher, host)
                if mode == "late":
                    host.tell()
                    equal(host.hear(), "locked\n")
                    before = settled(watcher, host)
                with Crowd(path, 60) as clients:
                    for client in clients:
                        client.send(b"mt.describe".ljust(60000) + b"\n")
                        client.until(b"\n\n")
                    assert resident(host.pid) > before + 2 * MIB
                after = settled(watcher, host)
            print(f"   {mode}: {(after - before) / 1024:.0f} KiB more than before")
            assert after - before <= 256 * 1024, (mode, after - before)


def settled(watcher, host):
    wait_for(lambda: watcher.call("mt.status")["clients"] == 1, "the others to have gone")
    return resident(host.pid)


@fact
def a_newcomer_without_memory_is_told_so_and_may_still_reset():
    with Host() as host, Client(host.path) as first:
        first.call("mt.mem_alloc", 1000)
        used = first.call("mt.mem_used")
        with open(f"/proc/{host.pid}/statm") as file:
            size = int(file.read().split()[0]) * PAGE
        resource.prlimit(host.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        with Client(host.path) as late:
            equal(late.ask("mt.mem_used"), "503 " + NO_MEMORY)
        # Silent ones on the last place keep nobody out.
        silent = [Client(host.path) for _ in range(20)]
        equal(mtctl(host.path, "mt.reset"), f"{used}\n")
        for client in silent:
            client.socket.close()
        equal(first.call("mt.mem_used"), 0)
        resource.prlimit(host.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with Client(host.path) as late:
            equal(late.ask("mt.mem_used"), "200 OK\n0")


def most_of_ours(pid):
    """The greatest number of a descriptor in our thread's table."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as comm:
            if comm.read() == "mtpreload\n":
                return max(map(int, os.listdir(f"/proc/{pid}/task/{task}/fd")))
    raise AssertionError("no thread of ours")


def idle_until_refused(path):
    """Ordinary clients, until there is no descriptor for one more."""
    clients = []
    for _ in range(20):
        client = Client(path)
        answer = client.ask("mt.mem_used")
        if answer == "503 " + NO_DESCRIPTOR:
            assert is_closed(client)
            client.socket.close()
            return clients
        clients.append(client)
    raise AssertionError("all were let in")


def resets_without_descriptors(path, clients):
    with Client(path) as late:
        equal(late.ask("mt.reset"), "200 OK\n0")
        with Client(path) as other:  # whoever had the last one has spoken, and is silent now
            equal(other.ask("mt.reset"), "200 OK\n0")
    silent = [Client(path) for _ in range(20)]
    equal(mtctl(path, "mt.reset"), "0\n")
    for client in silent:
        client.socket.close()
    for client in clients:
        equal(client.call("mt.mem_used"), 0, "nobody was hung up on")


@fact
def a_newcomer_without_a_descriptor_is_told_so_and_may_still_reset():
    with Host() as host, Client(host.path) as first:
        first.call("mt.mem_used")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (most_of_ours(host.pid) + 1, hard))
        clients = idle_until_refused(host.path)
        resets_without_descriptors(host.path, [first, *clients])
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (hard, hard))
        with Client(host.path) as late:
            equal(late.ask("mt.mem_used"), "200 OK\n0")


@fact
def a_host_that_starts_with_few_descriptors_is_reset_all_the_same():
    for limit in range(8, 12):
        with Place() as place, Program(["sh", "-c", f"ulimit -n {limit}; exec sleep 1000"],
                                       env=place.environment(only="sleep")) as host:
            path = place.wait_socket(host.pid)
            clients = idle_until_refused(path)
            equal(len(clients), limit - 7, "ordinary clients")
            resets_without_descriptors(path, clients)


@fact
def a_limit_lowered_below_what_is_open_keeps_nobody_from_a_reset():
    with Host() as host:
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (4, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        equal(idle_until_refused(host.path), [])
        resets_without_descriptors(host.path, [])
        equal(host.place.names(), [os.path.basename(host.path)])


def drop_to_ordinary():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(1234)


@fact
def a_newcomer_for_whom_no_memory_can_be_locked_is_told_so_and_may_still_reset():
    need(os.geteuid() == 0, "only root has a host of another user, who may not lock what he likes")
    with Place() as place:
        with Program([victim("mlock"), "tight"], env=place.environment(), preexec_fn=drop_to_ordinary, **PIPES) as host:
            equal(host.hear(), "ready\n")
            path = place.wait_socket(host.pid)
            with Client(path) as first:
                equal(first.call("mt.mem_used"), 0)
                host.tell()
                equal(host.hear(), "locked\n")
                with Client(path) as late:
                    equal(late.ask("mt.mem_used"), "503 " + NO_MEMORY)
                with Client(path) as late:
                    equal(late.ask("mt.reset"), "200 OK\n0")


run_facts()
