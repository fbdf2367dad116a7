#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is freed leaves the process: resident memory before, with and after chunks of each size. With MT_BEHIND for
another allocator, as live_allocators.py runs it; docs/benchmarks.md has the figures measured."""

import math
import os

from harness import BEHIND, MIB, Client, Place, Program, equal, fact, resident, run_facts

GOAL = 0.02  # of what was injected may stay
ALL = math.inf  # the allocator keeps as much as it likes, by a policy of its own

# Least and most bytes of a chunk, MiB of all of them, and so many times as many are resident at the most: each block
# has a header, or is rounded up.
SIZES = {
    "1 to 64 B": (1, 64, 64, 2.1),
    "512 B": (512, 512, 64, 1.1),
    "1 to 5000 B": (1, 5000, 64, 1.15),
    "4 KiB": (4096, 4096, 64, 1.1),
    "64 KiB": (65536, 65536, 64, 1.1),
    "1 MiB": (MIB, MIB, 64, 1.02),
    "100 MiB, one": (100 * MIB, 100 * MIB, 100, 1.01),
}

# MiB that may stay after mt.mem_free, and after mt.mem_trim too, where it is more than the goal.
KEPT = {
    # One of the few chunks that fit into our thread's cache may lie at a heap's end and hold all that is below.
    "libc.so.6": {
        "1 to 5000 B": (ALL, 0),
    },
    # Pages are kept until a decay, 64 KiB in our thread's cache; its records of small blocks, 2.7, for good.
    "libjemalloc.so.2": {
        "1 to 64 B": (ALL, 3.5),
        "512 B": (ALL, 3.5),
        "1 to 5000 B": (ALL, 3.5),
        "4 KiB": (ALL, 3.5),
        "64 KiB": (8, 0),
    },
    # Pages are kept for its release rate; for good its records, to 1.7, and of sizes of all kinds what its central
    # lists have, to 16.1, which cannot be asked back.
    "libtcmalloc_minimal.so.4": {
        "1 to 64 B": (ALL, 2),
        "512 B": (ALL, 2),
        "1 to 5000 B": (ALL, 18),
        "4 KiB": (ALL, 2),
        "64 KiB": (6, 0),
    },
    # Pages of small blocks are kept until the thread goes on allocating.
    "libmimalloc.so.2": {
        "1 to 64 B": (ALL, 0),
        "512 B": (ALL, 0),
        "1 to 5000 B": (ALL, 0),
        "4 KiB": (ALL, 0),
        "64 KiB": (6, 0),
    },
}

# And whatever the size: tcmalloc describes every 2 GiB of addresses by 2 MiB of its own, written at once and never
# given back. Where the loader puts the heap decides whether the chunks reach over such a border, once in twenty starts.
BOOKKEEPING = {"libtcmalloc_minimal.so.4": 2}

ALLOCATOR = os.path.basename(BEHIND or "libc.so.6")

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
        client.call("mt.mem_trim")
        trimmed = resident(host.pid)
        # The heap is as good as before.
        client.call("mt.mem_rnd_alloc", least, most, mib * MIB)
        equal(client.call("mt.mem_free"), mib * MIB)
        return [(bytes_now - before) / MIB for bytes_now in (having, freed, trimmed)]


@fact
def chunks_of_any_size_are_resident_and_leave():
    bookkeeping = BOOKKEEPING.get(ALLOCATOR, 0)
    for name, (least, most, mib, factor) in SIZES.items():
        having, freed, trimmed = measure(least, most, mib)
        print(f"{name}: {having:.1f}, {freed:.1f}, {trimmed:.1f}", flush=True)
        after_free, after_trim = (max(kept, GOAL * mib) + bookkeeping for kept in KEPT[ALLOCATOR].get(name, (0, 0)))
        assert mib <= having <= factor * mib + bookkeeping, (name, having)
        assert freed <= min(after_free, having + 1), (name, freed)
        assert trimmed <= after_trim, (name, trimmed)


run_facts()
