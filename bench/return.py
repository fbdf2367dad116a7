# SPDX-License-Identifier: BSD-2-Clause
"""What comes back: resident memory with something injected, after mt.mem_free, and after mt.mem_trim, for
each allocator and size of chunks; and how long a host's own malloc waits while a trim is under way."""

import glob
import os
import statistics
import time

from common import BENCH, ROUNDS, put, record, table
from harness import LIB, MIB, PIPES, Client, Place, Program, resident, wait_for

ALLOCATORS = {
    "glibc": None,
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "mimalloc": "libmimalloc.so.2",
}
SIZES = {
    "1 to 64 B": ("1", "64", "64m"),
    "512 B": ("512", "512", "64m"),
    "1 to 5000 B": ("1", "5000", "64m"),
    "4 KiB": ("4k", "4k", "64m"),
    "64 KiB": ("64k", "64k", "64m"),
    "1 MiB": ("1m", "1m", "64m"),
    "100 MiB, one": ("100m", "100m", "100m"),
}
HOSTED_BYTES = (500, 2000, 10000, 20000)
HOSTED_MIB = 20
FREED_MIB = (64, 256, 1024)
ASKED = (5000, 300000)
QUIET_S = 1


def installed():
    """The path of each, None for the C library's."""
    for name, library in ALLOCATORS.items():
        found = glob.glob(f"/usr/lib/*/{library}") if library else [None]
        if found:
            yield name, found[0]


def environment(place, preload):
    return dict(place.environment(), LD_PRELOAD=f"{LIB} {preload}" if preload else LIB)


def timed_trim(client):
    start = time.monotonic()
    got = client.call("mt.mem_trim")
    return got, 1000 * (time.monotonic() - start)


def measure(preload, sizes):
    """MiB above what was resident before, step by step, and how many milliseconds the trim took."""
    with Place() as place, Program(["sleep", "1000"], env=environment(place, preload)) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_used")
            seen = [resident(host.pid)]
            client.call("mt.mem_rnd_alloc", *sizes)
            seen.append(resident(host.pid))
            client.call("mt.mem_free")
            seen.append(resident(host.pid))
            _, took = timed_trim(client)
            seen.append(resident(host.pid))
    return [(bytes_now - seen[0]) / MIB for bytes_now in seen[1:]] + [took]


def measure_hosted(size):
    """The same for a leak by the thread of a host that goes on allocating, with glibc."""
    with Place() as place, Program([os.path.join(BENCH, "churn")], env=environment(place, None)) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_used")
            seen = [resident(host.pid)]
            client.call("mt.leak_start", rate=1, shape="step", size=size, limit=HOSTED_MIB * MIB, where="host")
            wait_for(lambda: client.call("mt.mem_used") == HOSTED_MIB * MIB, "the leak")
            seen.append(resident(host.pid))
            for command in ("mt.reset", "mt.mem_trim"):
                client.call(command)
                seen.append(resident(host.pid))
    return [(bytes_now - seen[0]) / MIB for bytes_now in seen[1:]]


def longest(host):
    """Milliseconds that one malloc of the host's took at most since the last question."""
    host.tell()
    return int(host.hear()) / 1000


def measure_wait(preload, mib, asked):
    """Of a host that has freed so much between blocks in use, and mallocs on: MiB that a trim gives back, its
    milliseconds, and the longest malloc meanwhile, and in a second before."""
    argv = [os.path.join(BENCH, "trimmed"), str(mib), str(asked)]
    with Place() as place, Program(argv, env=environment(place, preload), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            longest(host)
            time.sleep(QUIET_S)
            quiet = longest(host)
            got, took = timed_trim(client)
            waited = longest(host)
    return [(got["resident_before"] - got["resident_after"]) / MIB, took, waited, quiet]


def medians(samples):
    return [statistics.median(column) for column in zip(*samples)]


def tenths(value):
    return f"{round(value, 1) + 0:.1f}"  # no -0.0


def kept():
    found = {(name, size): medians([measure(preload, SIZES[size]) for _ in range(ROUNDS)])
             for name, preload in installed() for size in SIZES}
    put("return", table(
        ["allocator", "chunks", "with them", "after mt.mem_free", "after mt.mem_trim", "which took, ms"],
        [[*key, *map(tenths, mibs), tenths(took)]
         for key, (*mibs, took) in found.items()]))
    return {", ".join(key): value for key, value in found.items()}


def hosted():
    found = {size: medians([measure_hosted(size) for _ in range(ROUNDS)]) for size in HOSTED_BYTES}
    put("return-host", table(["chunks, bytes", "with them", "after mt.reset", "after mt.mem_trim"],
                             [[str(size), *map(tenths, mibs)] for size, mibs in found.items()]))
    return found


def waits():
    found = {(name, mib, asked): medians([measure_wait(preload, mib, asked) for _ in range(ROUNDS)])
             for name, preload in installed() for mib in FREED_MIB for asked in ASKED}
    put("trim-waits", table(
        ["allocator", "freed, MiB", "given back, MiB", "the trim, ms"] +
        [f"longest malloc of {asked} bytes, ms" for asked in ASKED] + ["without a trim"],
        [[name, str(mib), *map(tenths, found[name, mib, ASKED[0]][:2]),
          *(tenths(found[name, mib, asked][2]) for asked in ASKED),
          tenths(max(found[name, mib, asked][3] for asked in ASKED))]
         for name, _ in installed() for mib in FREED_MIB]))
    return {", ".join(map(str, key)): value for key, value in found.items()}


def run():
    record("return", {"mib": kept(), "hosted": hosted(), "waits": waits()})
