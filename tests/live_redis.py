#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""redis-server under the library: every example of the specification, resident memory, damage
made from outside, and a clean end, while a client is served throughout. Redis from Debian uses
jemalloc, so this is also the case of another allocator behind us."""

import os
import socket
import struct

from harness import (MIB, PATIENCE_S, Client, Place, Program, Traffic, equal, fact, mtctl, near, pid_lives,
                     resident, run_facts, value, wait_for)

STEP = 0x9E3779B97F4A7C15  # the pattern's words are its multiples (src/inject/content.c)
PATTERN = struct.pack("<4Q", *((i * STEP) % 2**64 for i in (1, 2, 3, 4)))


class Redis:
    """A server on a Unix socket of its own, without a file on disk."""

    def __init__(self, place, **settings):
        self.place = place
        self.socket = os.path.join(place.path, "redis.sock")
        self.program = Program(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--appendonly", "no", "--dir", place.path, "--daemonize", "no"],
            env=place.environment(**settings), stdout=open(os.devnull, "w"))

    def __enter__(self):
        self.program.__enter__()
        self.pid = self.program.pid
        wait_for(lambda: self.ping(), "redis to answer")
        self.control = self.place.wait_socket(self.pid)
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)
        self.program.options["stdout"].close()

    def ping(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE_S)
                s.connect(self.socket)
                s.sendall(b"PING\r\n")
                return s.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    def traffic(self):
        """A connection that sets and gets; for Traffic."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(self.socket)
        file = connection.makefile("rwb")

        def ask(count):
            number = str(count).encode()
            file.write(b"SET key " + number + b"\r\nGET key\r\n")
            file.flush()
            got = file.readline(), file.readline(), file.readline()
            return got if got != (b"+OK\r\n", b"$%d\r\n" % len(number), number + b"\r\n") else None
        return ask


@fact
def every_example_of_the_specification_does_what_it_says():
    with Place() as place, Redis(place) as redis, Traffic(redis.traffic) as traffic:
        control = redis.control
        equal(mtctl(control, "cfg.set_now_int", "malloc_test", "check_content", "1"), "")
        equal(mtctl(control, "cfg.get", "malloc_test", "check_content"), "1\n")
        equal(mtctl(control, "mt.mem_alloc", "10", "k"), "")
        equal(mtctl(control, "mt.mem_used"), "10240\n")
        equal(mtctl(control, "mt.mem_free", "1", "m"), "0\n", "10 k, in m")
        equal(mtctl(control, "mt.mem_used"), "0\n")
        equal(mtctl(control, "mt.mem_rnd_alloc", "1", "64", "10240", "k"), "")
        equal(mtctl(control, "mt.mem_used", "k"), "10240\n")
        equal(mtctl(control, "mt.mem_free"), "10485760\n")
        start = ["mt.mem_test_start", "15", "64", "25000", "128", "1500", "3600000", "k"]
        equal(mtctl(control, *start), "1\n")
        equal(mtctl(control, *start), "2\n")
        wait_for(lambda: all(t["allocations"] > 0 for t in value(control, "mt.mem_test_list")),
                 "both tests to allocate")
        listed = mtctl(control, "mt.mem_test_list")
        equal([line for line in listed.splitlines() if "ID" in line],
              ["\tID           : 2", "\tID           : 1"])
        names = [line.split(":")[0].strip() for line in listed.splitlines()[1:11]]
        equal(names, ["ID", "run time (s)", "remaining (s)", "allocations", "errors", "overflows",
                      "total alloc", "min", "max", "total"])
        one = value(control, "mt.mem_test_list", "1")[0]
        equal((one["min"], one["max"], one["total"]), (15360, 65536, 25600000))
        equal(mtctl(control, "mt.mem_test_stop", "1"), "")
        held = value(control, "mt.mem_test_list", "1")[0]["held"]
        assert held > 0
        equal(value(control, "mt.mem_test_list", "1")[0]["held"], held, "stopped, so unchanged")
        equal(mtctl(control, "mt.mem_test_destroy", "1"), "")
        equal(mtctl(control, "mt.mem_test_destroy", "1", status=1).split(" (")[0],
              "error: 400 - test 1 not found")
        equal(mtctl(control, "mt.mem_test_destroy_all"), "")
        equal(mtctl(control, "mt.mem_test_list"), "")
        equal(mtctl(control, "mt.mem_used"), "0\n")
        assert not traffic.wrong, traffic.wrong
    assert traffic.count > 0


@fact
def hundred_mib_are_resident_and_leave_again():
    with Place() as place, Redis(place) as redis, Traffic(redis.traffic) as traffic:
        mtctl(redis.control, "mt.mem_used")
        before = resident(redis.pid)
        mtctl(redis.control, "mt.mem_alloc", "100", "m")
        near(resident(redis.pid) - before, 100 * MIB, MIB, "growth")
        equal(mtctl(redis.control, "mt.mem_free", "100", "m"), "100\n")
        near(resident(redis.pid), before, MIB, "after mem_free")
        assert not traffic.wrong, traffic.wrong


@fact
def a_trim_gives_back_what_redis_itself_has_freed():
    """As its own MEMORY PURGE does."""
    with Place() as place, Redis(place) as redis, Traffic(redis.traffic) as traffic:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(redis.socket)
            file = s.makefile("rwb")
            file.write(b"CONFIG SET jemalloc-bg-thread no\r\n")  # which would do it by and by
            for i in range(50000):
                file.write(b"SET key%d %s\r\n" % (i, b"x" * 1000))
            for i in range(50000):
                file.write(b"DEL key%d\r\n" % i)
            file.flush()
            for _ in range(50001):
                equal(file.readline(), b"+OK\r\n")
            for _ in range(50000):
                equal(file.readline(), b":1\r\n")
        got = value(redis.control, "mt.mem_trim")
        equal(got["how"], "mallctl")
        assert got["resident_before"] - got["resident_after"] > 20 * MIB, got
        assert not traffic.wrong, traffic.wrong


@fact
def a_chunk_damaged_in_the_host_is_counted():
    with Place() as place, Redis(place, check_content=1) as redis:
        log = os.path.join(place.path, "log")
        mtctl(redis.control, "cfg.set_now_string", "malloc_test", "log", log)
        for _ in range(3):
            mtctl(redis.control, "mt.mem_alloc", "300", "k")
        damage_one(redis.pid, 200_001)
        equal(value(redis.control, "mt.status")["corruptions"], 0)
        mtctl(redis.control, "mt.mem_free")
        equal(value(redis.control, "mt.status")["corruptions"], 1)
        with open(log) as lines:
            found = [line for line in lines if "corruption" in line]
        equal(len(found), 1)
        assert "offset 200001 of 307200 is 0x58" in found[0], found


def damage_one(pid, offset):
    """Writes an X into the first patterned chunk found in the process's memory."""
    with open(f"/proc/{pid}/maps") as maps:
        areas = [line.split()[0].split("-") for line in maps
                 if " rw-p " in line and "[v" not in line]
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for start, end in ((int(a, 16), int(b, 16)) for a, b in areas):
            memory.seek(start)
            at = memory.read(end - start).find(PATTERN)
            if at >= 0:
                memory.seek(start + at + offset)
                memory.write(b"X")
                return
    raise AssertionError("no chunk found")


@fact
def two_timed_tests_run_in_parallel_at_their_own_pace():
    with Place() as place, Redis(place) as redis, Client(redis.control) as client:
        fast = client.call("mt.mem_test_start", "1", "1", "1m", "1", "1", "3s")
        slow = client.call("mt.mem_test_start", "1k", "1k", "4k", "250", "250", "3s")
        wait_for(lambda: all(t["remaining_s"] == 0 and t["held"] == 0 and t["run_time_s"] == 3
                             for t in client.call("mt.mem_test_list")), "both to end")
        tests = {t["id"]: t for t in client.call("mt.mem_test_list")}
        # On a machine that stands still for more than 100 ms some ticks are lost, by design.
        assert tests[fast]["allocations"] <= 3000, tests[fast]
        equal(tests[slow]["allocations"], 12)
        equal(tests[slow]["overflows"], 2)
        equal(tests[slow]["total_alloc"], 12 * 1024)
        equal(client.call("mt.mem_used"), 0)


@fact
def it_ends_gracefully_and_leaves_no_name():
    with Place() as place, Redis(place) as redis:
        mtctl(redis.control, "mt.mem_alloc", "1", "m")
        mtctl(redis.control, "mt.mem_test_start", "1", "1", "10", "10", "10", "1h")
        equal(redis.program.stop(), 0)
        equal(place.names(), [])
        assert not pid_lives(redis.pid)


@fact
def reset_takes_everything_back():
    with Place() as place, Redis(place) as redis, Client(redis.control) as client:
        before = resident(redis.pid)
        client.call("mt.mem_alloc", "64m")
        client.call("mt.leak_start", rate="1g", limit="16m", size="1m")
        wait_for(lambda: client.call("mt.mem_used") == 80 * MIB, "the leak's limit")
        test = client.call("mt.mem_test_start", "1m", "1m", "32m", "1", "1", "1h")
        wait_for(lambda: client.call("mt.mem_test_list", test)[0]["overflows"], "the test to have freed once")
        assert client.call("mt.reset") >= 80 * MIB
        equal(client.call("mt.mem_used"), 0)
        equal(client.call("mt.status")["tests_running"], 0)
        near(resident(redis.pid), before, 2 * MIB, "after reset")


run_facts()
