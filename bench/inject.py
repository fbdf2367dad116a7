# SPDX-License-Identifier: BSD-2-Clause
"""Injection itself: how fast, how exact, at what price for the host, with each allocator behind us."""

import os
import statistics
import subprocess
import time

from common import BENCH, ROUNDS, environment, put, record, spread, table
from harness import LIB, MIB, PIPES, Client, Place, Program, victim, wait_for
from idle import task_named
from pins import pinned_by

DIRECTORY = "/usr/lib/x86_64-linux-gnu"
ALLOCATORS = {"glibc": None, "jemalloc": f"{DIRECTORY}/libjemalloc.so.2",
              "tcmalloc": f"{DIRECTORY}/libtcmalloc_minimal.so.4",
              "mimalloc": f"{DIRECTORY}/libmimalloc.so.2"}
GIB = 1024 * MIB
SMALL, LARGE = 64 * MIB, GIB
PACED_S = 10


def behind(name):
    """The environment of a host without us, and with us before the same allocator."""
    path = ALLOCATORS[name]
    bare = {"LD_PRELOAD": path} if path else {}
    return bare, {"LD_PRELOAD": f"{LIB} {path}" if path else LIB}


def installed():
    return [name for name, path in ALLOCATORS.items() if not path or os.path.exists(path)]


def ours_in(place, added, **settings):
    """What the environment of a host under us has."""
    words = {"MTPRELOAD_" + name.upper(): str(value) for name, value in settings.items()}
    return environment({**added, "MTPRELOAD_DIR": place.run, **words})


def bare_loop(added, way, total):
    """Nanoseconds to allocate, to free, and of small blocks to free with what the allocator puts off."""
    done = subprocess.run([os.path.join(BENCH, "loops"), way, str(total)], env=environment(added),
                          capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def timed(client, method, *params):
    start = time.monotonic_ns()
    client.call(method, *params)
    return time.monotonic_ns() - start


def by_command(added, way):
    """The same by our commands, in a new host."""
    check = 1 if way == "fill" else 0
    with Place() as place, Program(["sleep", "1000"], env=ours_in(place, added, check_content=check)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        command = ("mt.mem_rnd_alloc", 1, 64, SMALL) if way == "small" else ("mt.mem_alloc", LARGE)
        taken = timed(client, *command)
        status = client.call("mt.status")
        freed = timed(client, "mt.mem_free")
        return taken, freed, status["record_bytes"] / status["hand_chunks"] if way == "small" else None


def throughput():
    """How often as fast as the bare loop, by allocator and kind of work; and bytes of record a chunk."""
    seen, records = {}, {}
    for _ in range(ROUNDS):
        for name in installed():
            bare, under = behind(name)
            for way, total in (("small", SMALL), ("large", LARGE), ("fill", LARGE)):
                theirs = bare_loop(bare, way, total)
                taken, freed, record_bytes = by_command(under, way)
                kept = seen.setdefault((name, way), {"taken": [], "freed": [], "settled": [], "mib_s": []})
                kept["taken"].append(theirs[0] / taken)
                kept["freed"].append(theirs[1] / freed)
                kept["settled"].append(theirs[-1] / freed)
                kept["mib_s"].append(total / MIB / (taken / 1e9))
                if record_bytes:
                    records[name] = record_bytes
    found = {f"{name}, {way}": {key: spread(values) for key, values in kept.items()}
             for (name, way), kept in seen.items()}
    record("throughput", {"times_bare_loop": found, "record_bytes_per_chunk": records})
    rows = []
    for name in installed():
        cells = [name]
        for way in ("small", "large", "fill"):
            got = found[f"{name}, {way}"]
            cells.append(f"{got['taken']['median']:.2f} ({got['taken']['quartiles_percent']:.0f} %)")
        for key in ("freed", "settled"):
            got = found[f"{name}, small"][key]
            cells.append(f"{got['median']:.2f} ({got['quartiles_percent']:.0f} %)")
        cells.append(f"{found[f'{name}, small']['mib_s']['median']:.0f}")
        cells.append(f"{records[name]:.1f}")
        rows.append(cells)
    put("throughput", table(["allocator", "1-64 bytes", "1 GiB", "1 GiB with check_content", "freeing 1-64 bytes",
                             "the same, the loop's put-off work with it", "MiB/s of 1-64 bytes",
                             "bytes of record a chunk"], rows))


def stamps(path):
    with open(path) as file:
        return [int(line) for line in file]


def paced(name, meanwhile=None):
    """How many calls a test of 1237 bytes each millisecond made, and when, in ns."""
    size = 1237
    with Place() as place:
        path = os.path.join(place.path, "stamps")
        preload = filter(None, [LIB, os.path.join(BENCH, "stamp.so"), ALLOCATORS[name]])
        added = {"LD_PRELOAD": " ".join(preload), "STAMP_SIZE": str(size), "STAMP_FILE": path}
        with Program([victim("pins")], env=ours_in(place, added), **PIPES) as host, \
                Client(place.wait_socket(host.pid)) as client:
            if meanwhile:
                meanwhile[0](client)
            test = client.call("mt.mem_test_start", size, size, size * 1000, 1, 1, f"{PACED_S}s")
            if meanwhile:
                meanwhile[1](host, client)
            wait_for(lambda: client.call("mt.mem_test_list", test)[0]["state"] == "ended", "its end")
            calls = client.call("mt.mem_test_list", test)[0]["allocations"]
            host.tell("end\n")  # it returns from main, and the stamps are written
            host.process.wait()
        return calls, stamps(path)


def lateness(times):
    """How late each came, in microseconds, against the grid that begins with the most punctual one."""
    late = [at - i * 1_000_000 for i, at in enumerate(times)]
    first = min(late)
    return sorted((at - first) / 1000 for at in late)


HISTOGRAM_US = (50, 100, 200, 500, 1000, 2000, 5000)


def pacing():
    rows, found = [], {}
    for name in installed():
        seen = [paced(name) for _ in range(min(ROUNDS, 3))]
        calls = [calls for calls, _ in seen]
        late = sorted(us for _, times in seen for us in lateness(times))
        counts = [sum(us <= bound for us in late) / len(late) * 100 for bound in HISTOGRAM_US]
        found[name] = {"calls": calls, "late_us": {str(b): c for b, c in zip(HISTOGRAM_US, counts)}, "most_us": late[-1]}
        rows.append([name, ", ".join(map(str, calls)), *(f"{c:.2f} %" for c in counts), f"{late[-1] / 1000:.1f} ms"])
    record("pacing", found)
    put("pacing", table(["allocator", "calls in 10 s", *(f"late by at most {b} µs" for b in HISTOGRAM_US), "latest"], rows))


def busy_ns(task):
    with open(f"{task}/schedstat") as file:
        return int(file.read().split()[0])


def start_tests(client, count):
    for _ in range(count):
        client.call("mt.mem_test_start", 16, 16, 1600, 1000, 1000, "1h")


def share_of(name, count):
    """Percent of a core that so many tests of one allocation a second take."""
    _, under = behind(name)
    with Place() as place, Program(["sleep", "1000"], env=ours_in(place, under)) as host, \
            Client(place.wait_socket(host.pid)) as client:
        start_tests(client, count)
        task = task_named(host.pid, "mtpreload")
        before, start = busy_ns(task), time.monotonic_ns()
        time.sleep(5)
        return 100 * (busy_ns(task) - before) / (time.monotonic_ns() - start)


def listed_meanwhile(name):
    """How late a 1 ms test was at most while 100,000 others were listed, and how many lists that were."""
    lengths = []

    def listing(host, client):
        start = time.monotonic()
        while time.monotonic() - start < PACED_S - 3:
            client.send('{"jsonrpc":"2.0","method":"mt.mem_test_list","params":[],"id":1}\n')
            got = length = 0
            while not got or got[-1:] != b"\n":
                got = client.socket.recv(1 << 20)
                length += len(got)
            lengths.append(length)

    _, times = paced(name, (lambda client: start_tests(client, 100000), listing))
    gaps = [(later - at) / 1e6 for at, later in zip(times, times[1:])]
    return max(gaps) - 1, len(lengths)


def many():
    rows, found = [], {}
    for name in installed():
        few, lots = share_of(name, 10000), share_of(name, 100000)
        late_ms, lists = listed_meanwhile(name)
        found[name] = {"percent_10000": few, "percent_100000": lots, "latest_ms_while_listing": late_ms, "lists": lists}
        rows.append([name, f"{few:.1f} % of a core", f"{lots:.1f} %", f"{late_ms:.1f} ms ({lists} lists)"])
    record("many", found)
    put("many", table(["allocator", "10,000 tests", "100,000 tests",
                       "latest tick of a 1 ms test while the 100,000 are listed"], rows))


BESIDE_S = 1  # about as long as each of the commands takes
COUNTING = ["timeout", str(BESIDE_S), "sh", "-c", "while :; do :; done"]


def ask(*words):
    return lambda client: client.call(*words)


STALLS = {"nothing": lambda client: time.sleep(BESIDE_S),
          "a program that only counts": lambda client: subprocess.run(COUNTING, check=False),
          "mt.mem_alloc 1g": ask("mt.mem_alloc", "1g"),
          "mt.mem_rnd_alloc 1 64 256m": ask("mt.mem_rnd_alloc", 1, 64, "256m"),
          "mt.mem_free of these": ask("mt.mem_free")}


def stall_rounds(name):
    """The longest pair of malloc and free in the host while each of STALLS is under way, in µs, and the longest without
    the time in which other threads had the processor."""
    _, under = behind(name)
    longest = {}
    with Place() as place, Program([os.path.join(BENCH, "loops"), "stall"], env=ours_in(place, under), **PIPES) as host, \
            Client(place.wait_socket(host.pid)) as client:
        for what, do in STALLS.items():
            host.tell()
            host.hear()
            do(client)
            host.tell()
            longest[what] = [int(ns) / 1000 for ns in host.hear().split()[1:]]
    return longest


def stall():
    seen = {name: [stall_rounds(name) for _ in range(ROUNDS)] for name in installed()}
    keys = ("all", "on a processor")
    found = {name: {what: {key: {"median": statistics.median(r[what][i] for r in got),
                                 "most": max(r[what][i] for r in got)} for i, key in enumerate(keys)}
                    for what in STALLS} for name, got in seen.items()}
    record("stall", {"us": found})
    put("stall", table(["allocator", "", *STALLS],
                       [[name, key, *(f"{found[name][what][key]['median']:.0f} ({found[name][what][key]['most']:.0f})"
                                      for what in STALLS)] for name in found for key in keys]))


def pinned(name, where):
    """MB resident of 200 that the host has freed, after 200 KB were leaked meanwhile."""
    return pinned_by(where, lambda place: ours_in(place, behind(name)[1])) / 1e6


def pins():
    found = {name: {where: statistics.median(pinned(name, where) for _ in range(min(ROUNDS, 5)))
                    for where in ("host", "thread")} for name in installed()}
    record("pins", {"mb": found})
    put("pins", table(["allocator", "where=host", "where=thread"],
                      [[name, f"{got['host']:.0f} MB", f"{got['thread']:.0f} MB"] for name, got in found.items()]))


def run():
    for part in (throughput, pacing, many, stall, pins):
        part()
