#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is freed leaves the process: resident memory before, with and after chunks of each size. With MT_BEHIND for
another allocator, as live_allocators.py runs it; docs/benchmarks.md has the figures measured."""

import math
import os
import sys
from typing import NamedTuple

from harness import BEHIND, MIB, PIPES, Client, Place, Program, equal, fact, near, resident, run_facts, wait_for

ALL = math.inf  # the allocator keeps as much as it likes, by a policy of its own

# Least and most bytes of a chunk; MiB of all of them; so many times as many are resident at the most, since each block
# has a header or is rounded up; and how many may stay, where the allocator has no policy of its own.
SIZES = {
    "1 to 64 B": (1, 64, 64, 2.1, 1.28),
    "512 B": (512, 512, 64, 1.1, 1.28),
    "1 to 5000 B": (1, 5000, 64, 1.15, 1.28),
    "4 KiB": (4096, 4096, 64, 1.1, 1.28),
    "64 KiB": (65536, 65536, 64, 1.1, 1.28),
    "1 MiB": (MIB, MIB, 64, 1.02, 1.28),
    "100 MiB, one": (100 * MIB, 100 * MIB, 100, 1.01, 1),
}
SMALL = ("1 to 64 B", "512 B", "1 to 5000 B", "4 KiB")


class Policy(NamedTuple):
    """What an allocator keeps, in MiB, and by which function it is asked to give that back."""

    how: str
    free: dict  # after mt.mem_free, where it is more than above
    trim: dict  # and after mt.mem_trim
    anyway: int = 0  # whatever the size


POLICIES = {  # by the name without its version
    "libc": Policy("malloc_trim", {}, {}),
    # Pages are kept until a decay, 64 KiB in our thread's cache; its records of small blocks for good.
    "libjemalloc": Policy("mallctl", {**dict.fromkeys(SMALL, ALL), "64 KiB": 8}, dict.fromkeys(SMALL, 3)),
    # Pages are kept for its release rate; for good its records, to 1.7, and of sizes of all kinds what its central
    # lists have, to 16.1, which cannot be asked back. It describes every 2 GiB of addresses by 2 MiB of its own, written
    # at once: where the loader puts the heap decides whether the chunks reach over such a border, once in twenty starts.
    "libtcmalloc_minimal": Policy("MallocExtension_ReleaseFreeMemory", {**dict.fromkeys(SMALL, ALL), "64 KiB": 6},
                                  {**dict.fromkeys(SMALL, 2), "1 to 5000 B": 18}, 2),
    # Pages of small blocks are kept until the thread goes on allocating.
    "libmimalloc": Policy("mi_collect", {**dict.fromkeys(SMALL, ALL), "64 KiB": 6}, dict.fromkeys(SMALL, 1)),
}
POLICY = POLICIES[os.path.basename(BEHIND or "libc.so.6").partition(".")[0]]

print("chunks: with them, after mt.mem_free, after mt.mem_trim", flush=True)


def measure(least, most, mib):
    """MiB that are resident beyond what was before: with the chunks, after they were freed, after a trim."""
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        client.call("mt.mem_used")
        before = resident(host.pid)
        client.call("mt.mem_rnd_alloc", least, most, mib * MIB)
        having = resident(host.pid)
        equal(client.call("mt.mem_free"), mib * MIB)
        freed = resident(host.pid)
        equal(client.call("mt.mem_trim")["how"], POLICY.how)
        trimmed = resident(host.pid)
        # The heap is as good as before.
        client.call("mt.mem_rnd_alloc", least, most, mib * MIB)
        equal(client.call("mt.mem_free"), mib * MIB)
        return [(bytes_now - before) / MIB for bytes_now in (having, freed, trimmed)]


@fact
def chunks_of_any_size_are_resident_and_leave():
    for name, (least, most, mib, factor, goal) in SIZES.items():
        having, freed, trimmed = measure(least, most, mib)
        print(f"{name}: {having:.1f}, {freed:.1f}, {trimmed:.1f}", flush=True)
        assert mib <= having <= factor * mib + POLICY.anyway, (name, having)
        assert freed <= min(POLICY.free.get(name, goal) + POLICY.anyway, having + 1), (name, freed)
        assert trimmed <= POLICY.trim.get(name, goal) + POLICY.anyway, (name, trimmed)


# A host that for each line, a number, takes a block of so many bytes, writes to it and frees it; by a line of 0 it
# has something injected and freed by the C API.
LARGE = """
import ctypes, sys
lib = ctypes.CDLL(None)
lib.malloc.restype = ctypes.c_void_p
lib.free.argtypes = [ctypes.c_void_p]
print(0, flush=True)
for size in map(int, sys.stdin):
    if size:
        block = lib.malloc(ctypes.c_size_t(size))
        ctypes.memset(block, 1, size)
        lib.free(block)
    else:
        lib.mt_mem_alloc(ctypes.c_size_t(20 << 20))
        lib.mt_mem_free()
    print(size, flush=True)
"""


def take(host, size):
    host.tell(f"{size}\n")
    equal(host.hear(), f"{size}\n")


def by_hand(_, client):
    client.call("mt.mem_alloc", "20m")
    client.call("mt.mem_free")


def by_reset(_, client):
    client.call("mt.mem_alloc", "20m")
    client.call("mt.reset")


def by_a_leak(_, client):
    client.call("mt.leak_start", rate=1, shape="step", size="1m", limit="20m")
    wait_for(lambda: client.call("mt.mem_used") == 20 * MIB, "the leak")
    client.call("mt.mem_test_destroy_all")


def by_a_test(_, client):
    client.call("mt.mem_test_start", "2m", "2m", "4m", 1, 1, "1h")
    wait_for(lambda: client.call("mt.mem_test_list")[0]["overflows"], "a cycle")
    client.call("mt.mem_test_destroy_all")


def by_the_host_itself(host, _):
    take(host, 0)


@fact
def large_blocks_of_the_host_leave_as_before():
    """glibc would not map blocks of a size any more once it was given back a larger one."""
    if BEHIND:
        return
    for inject in (by_hand, by_reset, by_a_leak, by_a_test, by_the_host_itself):
        with Place() as place, Program([sys.executable, "-c", LARGE], env=place.environment(), **PIPES) as host, \
                Client(place.wait_socket(host.pid)) as client:
            host.hear()
            inject(host, client)
            equal(client.call("mt.mem_used"), 0)
            for size in (1000000, 10000000):
                before = resident(host.pid)
                take(host, size)
                near(resident(host.pid), before, MIB // 2, f"{inject.__name__}: {size}")


run_facts()
