# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: the subjects that take turns, medians with their spread, the document
and the page."""

import json
import os
import platform
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
from harness import BUILD, LIB, TOP  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "9"))
BENCH = os.path.join(BUILD, "bench")
PAGE = os.path.join(TOP, "docs", "benchmarks.md")
DOCUMENT = os.path.join(BUILD, "bench.json")

NONE = "no preload"
FLOOR = "empty wrapper"
FLOOR_THREAD = "empty wrapper and an idle thread"
OURS = "mtpreload"
LIBFIU = "libfiu"
HEAPTRACK = "heaptrack"
OWN = (NONE, FLOOR, FLOOR_THREAD, OURS)  # a failure of one of these is ours

FIU = ("/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so")
HEAPTRACK_LIB = "/usr/lib/heaptrack/libheaptrack_preload.so"


def subjects(place):
    """What each adds to the environment. The peers as their own launchers (fiu-run -x, heaptrack)
    set them up, with nothing told to fail, and without the writing of heaptrack's file."""
    found = {
        NONE: {},
        FLOOR: {"LD_PRELOAD": os.path.join(BENCH, "floor.so")},
        FLOOR_THREAD: {"LD_PRELOAD": os.path.join(BENCH, "floor_thread.so")},
        OURS: {"LD_PRELOAD": LIB, "MTPRELOAD_DIR": place.run},
    }
    if all(os.path.exists(path) for path in FIU):
        found[LIBFIU] = {"LD_PRELOAD": " ".join(FIU), "FIU_ENABLE": "",
                         "FIU_CTRL_FIFO": os.path.join(place.path, "fiu")}
    if os.path.exists(HEAPTRACK_LIB):
        found[HEAPTRACK] = {"LD_PRELOAD": HEAPTRACK_LIB, "DUMP_HEAPTRACK_OUTPUT": "/dev/null"}
    return found


def environment(added):
    env = {k: v for k, v in os.environ.items()
           if k != "LD_PRELOAD" and not k.startswith("MTPRELOAD_")}
    env.update(added)
    return env


def rounds(names):
    """The round's number and a name, every name in each round, a round later by one place."""
    names = list(names)
    for number in range(ROUNDS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            yield name


def spread(samples):
    """The median, how far the quartiles lie apart in percent of it, and the most."""
    median = statistics.median(samples)
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive") \
        if len(samples) > 1 else (median,) * 3
    return {"median": median, "quartiles_percent": 100 * (high - low) / median if median else 0,
            "most": max(samples)}


def merged(documents, summary=spread):
    """One document of several of the same shape, number by number."""
    if isinstance(documents[0], dict):
        return {key: merged([one[key] for one in documents], summary) for key in documents[0]}
    return summary(documents)


def against(summary, base, unit=".1f"):
    """A cell: the median, its ratio to another's, the distance of its quartiles."""
    return (f"{summary['median']:{unit}} ({summary['median'] / base['median']:.2f}, "
            f"{summary['quartiles_percent']:.1f} %)")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def put(name, text):
    """Replaces the table of that name in the page."""
    begin, end = f"<!-- {name} -->\n", "<!-- end -->\n"
    print(text)
    with open(PAGE) as file:
        head, found, rest = file.read().partition(begin)
    assert found, f"{PAGE} has no place for {name}"
    with open(PAGE, "w") as file:
        file.write(head + begin + text + end + rest.partition(end)[2])


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def record(part, results):
    """Keeps what other parts have left in the document."""
    document = {}
    if os.path.exists(DOCUMENT):
        with open(DOCUMENT) as file:
            document = json.load(file)
    document["machine"] = {"kernel": platform.release(), "cores": os.cpu_count(),
                           "processor": processor(), "libc": " ".join(platform.libc_ver())}
    document[part] = {"rounds": ROUNDS, **results}
    with open(DOCUMENT, "w") as file:
        json.dump(document, file, indent=1)
