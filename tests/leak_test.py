#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What memory alarms see of each kind of leak: the address space, the resident pages by their kind, what a control
group counts, and what the C library says is in use."""

import contextlib
import os
import re

from harness import (BEHIND, MIB, PIPES, Client, Place, Program, equal, fact, group_name, near, run_facts, victim,
                     wait_for)

LEAK = 64
SMALL = 512
PIECES = 128  # so many leaks at once: the host serves one chunk of each in turn
ARENA = 64  # glibc maps a heap of an arena as a whole, in MiB, and keeps one
OURS = 2  # MiB of addresses in which our records lie
GROUPS = "/sys/fs/cgroup"


class Group:
    """A memory control group for one host: version 1 or 2, or none, where none can be made."""

    def __init__(self):
        self.path = None

    def __enter__(self):
        for parent, version in ((f"{GROUPS}/memory", 1), (GROUPS, 2)):
            path = os.path.join(parent, group_name())
            with contextlib.suppress(OSError):
                os.mkdir(path)
                self.path, self.version = path, version
                if self.counts():
                    return self
                os.rmdir(path)
        self.path = None
        return self

    def __exit__(self, *_):
        def gone():
            try:
                os.rmdir(self.path)
            except OSError:
                return False
            return True
        if self.path:
            wait_for(gone, "the group to be empty")

    def counts(self):
        return os.path.exists(os.path.join(self.path, "memory.stat"))

    def join(self):
        """For a child, before it executes its program."""
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w") as procs:
                procs.write(str(os.getpid()))

    def read(self):
        if not self.path:
            return {}
        with open(os.path.join(self.path, "memory.stat")) as file:
            stat = {key: int(number) for key, number in (line.split() for line in file)}
        usage = "memory.usage_in_bytes" if self.version == 1 else "memory.current"
        with open(os.path.join(self.path, usage)) as file:
            used = int(file.read())
        return {"group": stat["rss" if self.version == 1 else "anon"] / MIB,
                "working": (used - stat["inactive_file"]) / MIB}


class Seen:
    """All figures of one host, in MiB. With where=host one that allocates all the while."""

    def __init__(self, place, group, where="thread", first="heap", **settings):
        self.place, self.group, self.settings, self.first = place, group, dict(settings, where=where), first
        self.argv = [victim("mallinfo")] + ["busy"] * (where == "host")

    def __enter__(self):
        self.host = Program(self.argv, preexec_fn=self.group.join,
                            env=self.place.environment(**self.settings), **PIPES)
        self.host.__enter__()
        self.client = Client(self.place.wait_socket(self.host.pid))
        # The first leak brings our records along and, of the heap, an arena for our thread, which frees in it too.
        self.leak(1, kind=self.first)
        self.client.call("mt.mem_test_destroy_all")
        self.figures()  # the host has its buffers
        self.start = self.figures()
        return self

    def __exit__(self, *_):
        self.client.socket.close()
        self.host.__exit__()

    def figures(self):
        with open(f"/proc/{self.host.pid}/status") as file:
            status = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB$", file.read()))
        seen = {name: int(status[key]) / 1024 for name, key in
                (("vsz", "VmSize"), ("rss", "VmRSS"), ("anon", "RssAnon"), ("shmem", "RssShmem"))}
        self.host.tell()
        seen["heap"] = int(self.host.hear()) / MIB
        return seen | self.group.read()

    def grown(self):
        """By how much since the beginning."""
        return {name: figure - self.start.get(name, 0) for name, figure in self.figures().items()}

    def expect(self, what, tolerances, **wanted):
        """Each figure is as wanted within its tolerance, or within 5 %; of the leak, where it is 0. Waits, since the
        kernel adds up what it counts for each processor now and then only."""
        wanted = {name: (figure, tolerances.get(name, 0.05 * (figure or LEAK)))
                  for name, figure in wanted.items() if name in self.start}

        def agrees():
            self.last = self.grown()
            return all(abs(self.last[name] - figure) <= tolerance for name, (figure, tolerance) in wanted.items())
        with contextlib.suppress(AssertionError):
            wait_for(agrees, what)
        for name, (figure, tolerance) in wanted.items():
            near(self.last[name], figure, tolerance, f"{what}: {name}")

    def expect_nothing(self, what, addresses=OURS):
        """All of it is given back, but for so many MiB of addresses at the most."""
        self.expect(what, dict.fromkeys(COLUMNS, 1) | {"vsz": addresses}, **figures(0, 0, 0, 0, 0, 0, 0))

    def leak(self, mib=LEAK, pieces=1, **options):
        """A leak that is there at once, as one test or as several; their numbers."""
        options |= dict(rate=1, shape="step", limit=mib * MIB // pieces)
        numbers = [self.client.call("mt.leak_start", **options) for _ in range(pieces)]
        wait_for(lambda: self.sum("held") == mib * MIB, "the leak")
        equal(self.sum("errors"), 0)
        return numbers

    def destroy(self, numbers):
        for number in numbers:
            self.client.call("mt.mem_test_destroy", number)

    def sum(self, field):
        return sum(test[field] for test in self.client.call("mt.mem_test_list"))


COLUMNS = ("vsz", "rss", "anon", "shmem", "heap", "group", "working")


def figures(*row):
    """A row by its columns' names. What mallinfo2 says is of interest where the heap is the C library's."""
    return {name: figure for name, figure in zip(COLUMNS, row) if name != "heap" or not BEHIND}


# What is asked for, what grows by how many MiB, and how many of them are resident by mt.mem_test_list.
KINDS = {
    "malloc, untouched": (dict(kind="untouched"), figures(64, 0, 0, 0, 64, 0, 0), 0),
    "malloc, touched": (dict(kind="heap"), figures(64, 64, 64, 0, 64, 64, 64), 64),
    "512-byte blocks, touched": (dict(size=SMALL, pieces=PIECES), figures(66, 66, 66, 0, 66, 66, 66), 66),
    "anonymous mmap, touched": (dict(kind="mmap"), figures(64, 64, 64, 0, 0, 64, 64), 64),
    "memfd, mapped": (dict(kind="shmem"), figures(64, 64, 0, 64, 0, 0, 64), 64),
}
THREE_OF_FOUR_FREED = figures(66, 66, 66, 0, 16, 66, 66)

print("kind: " + ", ".join(COLUMNS), flush=True)


def show(kind, seen):
    print(f"{kind}: " + ", ".join(f"{seen.last[name]:.1f}" for name in COLUMNS if name in seen.last), flush=True)


def check_kinds(where, tolerances):
    """If another allocator has the heap: what is no part of that."""
    for kind, (options, wanted, resident) in KINDS.items():
        mapped = options.get("kind") in ("mmap", "shmem")
        allowed = {} if mapped else tolerances
        if BEHIND and not mapped:
            continue
        with Place() as place, Group() as group, Seen(place, group, where, "mmap" if mapped else "heap") as seen:
            numbers = seen.leak(**options)
            seen.expect(kind, allowed, **wanted)
            show(f"{kind}, where={where}", seen)
            near(seen.sum("resident") / MIB, resident, 1, f"{kind}: resident")
            assert seen.sum("allocated") >= seen.sum("held")
            seen.destroy(numbers)
            seen.expect_nothing(f"{kind}: afterwards", OURS + allowed.get("vsz", 0))


@fact
def each_kind_is_seen_by_the_alarms_of_the_table_and_by_no_other():
    check_kinds("host", {})


@fact
def a_leak_by_our_thread_is_seen_by_the_same_but_takes_addresses_by_whole_heaps():
    check_kinds("thread", {"vsz": ARENA + OURS})


@fact
def small_blocks_of_one_heap_are_given_back():
    if BEHIND:
        return
    with Place() as place, Group() as group, Seen(place, group) as seen:
        numbers = seen.leak(32, size=SMALL)
        seen.expect("32 MiB", {"vsz": ARENA + OURS}, **figures(33, 33, 33, 0, 33, 33, 33))
        seen.destroy(numbers)
        seen.expect_nothing("32 MiB: afterwards", ARENA + OURS)


@fact
def freed_blocks_between_others_stay_resident():
    if BEHIND:
        return  # what another allocator does with its pages is its own affair
    with Place() as place, Group() as group, Seen(place, group, "host") as seen:
        numbers = seen.leak(size=SMALL, pieces=PIECES)
        seen.destroy(number for number in numbers if number % 4)
        seen.expect("three of four freed", {}, **THREE_OF_FOUR_FREED)
        show("three of four 512-byte blocks freed, where=host", seen)


@fact
def a_heap_without_touching_is_not_resident_by_the_setting_either():
    with Place() as place, Group() as group, Seen(place, group, touch=0) as seen:
        seen.leak(kind="mmap")
        seen.expect("mmap, touch=0", dict.fromkeys(COLUMNS, 1) | {"vsz": OURS}, **figures(64, 0, 0, 0, 0, 0, 0))
        equal(seen.sum("resident"), 0)


@fact
def mappings_side_by_side_are_all_taken_back():
    """The kernel makes one of them, and destroying every other one would split that into more than a process may have."""
    with open("/proc/sys/vm/max_map_count") as file:
        pages = int(file.read()) * 5 // 4
    if pages > 200000:
        return  # as some distributions allow by now: that would take gigabytes
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        leaks = [client.call("mt.leak_start", rate="200m", limit=4096 * pages, size=4096, kind="mmap") for _ in range(2)]
        wait_for(lambda: client.call("mt.mem_used") == 2 * 4096 * pages, "both")
        client.call("mt.mem_test_destroy", leaks[0])
        used = client.call("mt.mem_used")
        assert used > 4096 * pages, "the test is none: all could be unmapped"
        client.call("mt.reset")
        equal(client.call("mt.mem_used"), 0)
        with open(f"/proc/{host.pid}/maps") as maps:
            assert len(maps.readlines()) < 1000


@fact
def a_damaged_leak_is_found_by_check_and_freed_all_the_same():
    with Place() as place, Group() as group, Seen(place, group, check_content=1) as seen:
        number, = seen.leak(kind="shmem")
        equal(seen.client.call("mt.mem_check"), {"chunks": LEAK, "damaged": 0, "list": []})
        place_of = max(stretches(seen.host.pid), key=lambda s: s[1] - s[0])
        with open(f"/proc/{seen.host.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(place_of[0] + 4711)
            byte = memory.read(1)[0]
            memory.seek(place_of[0] + 4711)
            memory.write(bytes([byte ^ 255]))
        found = seen.client.call("mt.mem_check")
        equal((found["chunks"], found["damaged"], len(found["list"])), (LEAK, 1, 1))
        one = found["list"][0]
        equal((one["test"], int(one["address"], 16) + one["offset"], one["expected"], one["found"]),
              (number, place_of[0] + 4711, byte, byte ^ 255))
        seen.client.call("mt.mem_test_destroy", number)
        equal(seen.client.call("mt.status")["corruptions"], 1)
        equal(seen.client.call("mt.mem_used"), 0)


def stretches(pid):
    """Where shared anonymous memory is mapped: (from, to)."""
    with open(f"/proc/{pid}/maps") as maps:
        return [tuple(int(at, 16) for at in line.split()[0].split("-")) for line in maps if "/dev/zero" in line]


@fact
def limit_and_time_end_a_leak():
    with Place() as place, Group() as group, Seen(place, group) as seen:
        number = seen.client.call("mt.leak_start", rate="64m", limit="3m", time="2s")
        wait_for(lambda: seen.client.call("mt.mem_test_list", number)[0]["held"] == 3 * MIB, "the limit")
        ended = wait_for(lambda: [test for test in seen.client.call("mt.mem_test_list", number)
                                  if test["state"] == "ended"], "the end")[0]
        equal((ended["held"], ended["run_time_s"], ended["total_alloc"], ended["allocations"]), (0, 2, 3 * MIB, 48))
        equal(seen.client.call("mt.mem_used"), 0)


@fact
def a_ramp_is_at_its_limit_at_its_time_and_stays():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        for number, kind in enumerate(("heap", "untouched", "mmap", "shmem"), 1):
            equal(client.call("mt.leak_start", limit="7Mi", time="1s", kind=kind), number)
        wait_for(lambda: client.call("mt.mem_used") == 4 * 7 * MIB, "their tops")
        for test in client.call("mt.mem_test_list"):
            assert test["run_time_s"] >= 1, "not before its time"
            equal((test["shape"], test["state"], test["held"], test["remaining_s"]), ("ramp", "running", 7 * MIB, 0))
        # On its way it is on its line: never above what the time that has passed allows.
        number = client.call("mt.leak_start", limit="64m", time="2s")
        while True:
            test = client.call("mt.mem_test_list", number)[0]
            if test["held"] == 64 * MIB:
                break
            assert test["held"] <= (test["run_time_s"] + 1) * 32 * MIB, test
        equal(client.call("mt.reset"), 4 * 7 * MIB + 64 * MIB)


@fact
def what_was_freed_from_a_leak_at_its_limit_comes_back_at_its_rate():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        for number, shape in enumerate(("rate", "step"), 1):
            def listed():
                return client.call("mt.mem_test_list", number)[0]

            client.call("mt.leak_start", rate="10m", limit="1m", shape=shape)
            wait_for(lambda: listed()["held"] == MIB, "the limit")
            for size in ("1m", 1, None):
                freed = client.call("mt.mem_free", *[size] if size else [])
                wait_for(lambda: listed()["held"] == MIB, f"the limit again, {freed} after")
            equal((listed()["total_alloc"], listed()["overflows"]), (3 * MIB + 65536, 0), "each time what was freed")
            client.call("mt.mem_test_stop", number)
            equal(client.call("mt.mem_free"), MIB)
            equal((listed()["state"], listed()["held"]), ("stopped", 0))


@fact
def the_list_tells_why_one_does_not_grow():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(max_bytes="10m")) as host, \
            Client(place.wait_socket(host.pid)) as client:
        step = client.call("mt.leak_start", rate="1m", shape="step", limit="20m")
        idle = client.call("mt.mem_test_start", 1, 1, 10, "1h", "1h", "2h")
        listed = wait_for(lambda: [test for test in client.call("mt.mem_test_list", step) if test["errors"] > 1],
                          "two refusals")[0]
        equal((listed["held"], listed["refusal"]),
              (10 * MIB, "65536 bytes asked, 10485760 held, max_bytes is 10485760"))
        equal(client.call("mt.mem_test_list", idle)[0]["refusal"], "")
        client.call("cfg.set_now_int", "malloc_test", "max_bytes", 0)
        wait_for(lambda: client.call("mt.mem_test_list", step)[0]["held"] == 20 * MIB, "it to go on")
        equal(client.call("mt.mem_test_list", step)[0]["refusal"], listed["refusal"], "the last one stays")


@fact
def refusals_name_what_is_accepted():
    with Place() as place, Group() as group, Seen(place, group) as seen:
        code, text = seen.client.refusal("mt.leak_start", rate="1m", shape="ramp")
        equal(code, 400)
        assert text.endswith("shape 'ramp' is none of them (accepted: rate|step|exp)"), text
        code, text = seen.client.refusal("mt.leak_start", rate="1m", kind="stack")
        assert text.endswith("(accepted: heap|untouched|mmap|shmem)"), text
        equal(seen.client.refusal("mt.mem_realloc", size="1k")[0], 400)
        equal(seen.client.call("mt.mem_test_list"), [])


run_facts()
