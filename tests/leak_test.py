#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What memory alarms see of each kind of leak: the address space, the resident pages by their kind, what a control
group counts, and what the C library says is in use."""

import contextlib
import os
import re

from harness import (BEHIND, MIB, PIPES, Client, Place, Program, equal, fact, near, run_facts, victim, wait_for)

LEAK = 64
ARENA = 64  # glibc maps a heap of an arena as a whole, in MiB, and keeps one
OURS = 2  # MiB of addresses in which our records lie
GROUPS = "/sys/fs/cgroup"


class Group:
    """A memory control group for one host: version 1 or 2, or none, where none can be made."""

    def __init__(self):
        self.path = None

    def __enter__(self):
        for parent, version in ((f"{GROUPS}/memory", 1), (GROUPS, 2)):
            path = os.path.join(parent, f"mt-test-{os.getpid()}")
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
    """All figures of one host, in MiB."""

    def __init__(self, place, group, **settings):
        self.place, self.group, self.settings = place, group, settings

    def __enter__(self):
        self.host = Program([victim("mallinfo")], preexec_fn=self.group.join,
                            env=self.place.environment(**self.settings), **PIPES)
        self.host.__enter__()
        self.client = Client(self.place.wait_socket(self.host.pid))
        # What the first allocation brings along: our thread's arena, the host's own buffers.
        self.client.call("mt.mem_alloc", 100)
        self.client.call("mt.mem_free")
        self.start = {}
        self.start = self.grown()
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
        """The kernel adds up what it counts for each processor now and then only."""
        def agrees():
            self.last = self.grown()
            return all(abs(self.last[name] - figure) <= tolerances.get(name, tolerances["rest"])
                       for name, figure in wanted.items() if name in self.last)
        with contextlib.suppress(AssertionError):
            wait_for(agrees, what)
        for name, figure in wanted.items():
            if name in self.last:
                near(self.last[name], figure, tolerances.get(name, tolerances["rest"]), f"{what}: {name}")

    def leak(self, size_of_all=LEAK, **options):
        """A leak that is there at once."""
        number = self.client.call("mt.leak_start", rate=1, shape="step", limit=f"{size_of_all}m", **options)
        wait_for(lambda: self.client.call("mt.mem_test_list", number)[0]["held"] == size_of_all * MIB, "the leak")
        test = self.client.call("mt.mem_test_list", number)[0]
        equal(test["errors"], 0)
        return number, test


def heap(figure):
    """What mallinfo2 says, where the heap is the C library's."""
    return {} if BEHIND else {"heap": figure}


# By kind: how it is asked for, what grows by how many MiB, and what mt.mem_test_list says of it.
KINDS = {
    "heap, untouched": (dict(kind="untouched"), dict(rss=0, anon=0, shmem=0, group=0, working=0), 64, 0),
    "heap": (dict(kind="heap"), dict(rss=64, anon=64, shmem=0, group=64, working=64), 64, 64),
    "heap, 512-byte blocks": (dict(kind="heap", size=512),
                              dict(rss=66, anon=66, shmem=0, group=66, working=66), 66, 66),
    "mmap": (dict(kind="mmap"), dict(rss=64, anon=64, shmem=0, group=64, working=64), 0, 64),
    "shmem": (dict(kind="shmem"), dict(rss=64, anon=0, shmem=64, group=0, working=64), 0, 64),
}

print("kind: " + ", ".join(["vsz", "rss", "anon", "shmem", "heap", "group", "working"]), flush=True)


def show(kind, seen):
    print(f"{kind}: " + ", ".join(f"{seen.last[name]:.1f}" for name in
                                  ("vsz", "rss", "anon", "shmem", "heap", "group", "working") if name in seen.last),
          flush=True)


@fact
def each_kind_is_seen_by_the_alarms_of_the_table_and_by_no_other():
    for kind, (options, wanted, in_heap, resident) in KINDS.items():
        mapped = options["kind"] in ("mmap", "shmem")
        if BEHIND and not mapped:
            continue  # another allocator has its own ways
        five_percent = 0.05 * LEAK
        with Place() as place, Group() as group, Seen(place, group) as seen:
            number, test = seen.leak(**options)
            seen.expect(kind, {"rest": five_percent, "vsz": five_percent if mapped else ARENA + OURS},
                        vsz=66 if "512" in kind else 64, **wanted, **heap(in_heap))
            show(kind, seen)
            near(test["resident"] / MIB, resident, 1, f"{kind}: resident")
            assert test["allocated"] >= test["held"], test
            seen.client.call("mt.mem_test_destroy", number)
            back = dict.fromkeys(wanted, 0)
            seen.expect(f"{kind}: afterwards", {"rest": 1, "vsz": OURS + (0 if mapped else ARENA)},
                        vsz=0, **back, **heap(0))


@fact
def small_blocks_of_one_heap_are_given_back():
    if BEHIND:
        return
    with Place() as place, Group() as group, Seen(place, group) as seen:
        number, _ = seen.leak(32, kind="heap", size=512)
        seen.expect("32 MiB", {"rest": 2.5, "vsz": ARENA + OURS}, rss=33, anon=33, group=33, **heap(33))
        seen.client.call("mt.mem_test_destroy", number)
        seen.expect("32 MiB: afterwards", {"rest": 1, "vsz": ARENA + OURS}, rss=0, anon=0, group=0, **heap(0))


@fact
def freed_blocks_between_others_stay_resident():
    if BEHIND:
        return  # what another allocator does with its pages is its own affair
    each = 8
    with Place() as place, Group() as group, Seen(place, group) as seen:
        leaks = [seen.client.call("mt.leak_start", rate="2m", size=512, limit=f"{each}m") for _ in range(4)]
        wait_for(lambda: all(test["held"] == each * MIB for test in seen.client.call("mt.mem_test_list")),
                 "four leaks")
        full = 4 * each * 528 / 512
        five_percent = {"rest": 0.05 * full, "vsz": ARENA + OURS}
        seen.expect("four leaks", five_percent, vsz=full, rss=full, anon=full, heap=full)
        for leak in leaks[:3]:
            seen.client.call("mt.mem_test_destroy", leak)
        seen.expect("three of four freed", five_percent, rss=full, anon=full, heap=full / 4, group=full, working=full)
        show("three of four 512-byte blocks freed", seen)


@fact
def a_heap_without_touching_is_not_resident_by_the_setting_either():
    with Place() as place, Group() as group, Seen(place, group, touch=0) as seen:
        _, test = seen.leak(kind="mmap")
        seen.expect("mmap, touch=0", {"rest": 1, "vsz": OURS}, vsz=64, rss=0, anon=0, group=0, **heap(0))
        equal(test["resident"], 0)


@fact
def a_damaged_leak_is_found_by_check_and_freed_all_the_same():
    with Place() as place, Group() as group, Seen(place, group, check_content=1) as seen:
        number, _ = seen.leak(kind="shmem")
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
