# SPDX-License-Identifier: BSD-2-Clause
"""What one call of the malloc family costs while nothing is injected."""

import json
import os
import statistics
import subprocess

from common import (BENCH, FLOOR, FLOOR_THREAD, OURS, against, environment, put, record, rounds,
                    spread, subjects, table)
from harness import Place

# One process is faster than the next by a few percent, all its life. So several make a sample.
STARTS = 3
WORK = {"pair_64": "pair 64 B", "pair_512": "pair 512 B", "calloc_64": "calloc 64 B",
        "realloc": "realloc 16 B to 1 KiB", "batch_64": "1000, then free",
        "threads_pair_64": "pair 64 B, 2 threads",
        "threads_pair_64_cpu": "the same, processor time"}


def measure(added):
    runs = [json.loads(subprocess.run([os.path.join(BENCH, "heap")], env=environment(added),
                                      capture_output=True, text=True, check=True).stdout)
            for _ in range(STARTS)]
    return {work: statistics.median(run[work] for run in runs) for work in WORK}


def run():
    with Place() as place:
        added = subjects(place)
        samples = {name: [] for name in added}
        for name in rounds(added):
            samples[name].append(measure(added[name]))
    ns = {name: {work: spread([sample[work] for sample in taken]) for work in WORK}
          for name, taken in samples.items()}
    record("heap", {"nanoseconds": ns})
    rows = [[name] + [against(ns[name][work], ns[FLOOR][work]) for work in WORK] for name in ns]
    rows.append([f"{OURS}, against the floor with a thread"] +
                [f"{ns[OURS][work]['median'] / ns[FLOOR_THREAD][work]['median']:.2f}"
                 for work in WORK])
    put("heap", table(["", *WORK.values()], rows))
