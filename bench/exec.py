# SPDX-License-Identifier: BSD-2-Clause
"""What the start and the end of a small program cost."""

import json
import os
import subprocess

from common import (BENCH, NONE, OURS, ROUNDS, environment, merged, put, record, spread, subjects,
                    table)
from harness import Place

COUNT = 1000
INERT = f"{OURS}, told to leave it alone (MTPRELOAD_ONLY)"


def measure(added):
    """A document for each; the C program takes them in turns, exec by exec."""
    words = [[f"{name}={value}" for name, value in one.items()] + ["--"] for one in added.values()]
    argv = [os.path.join(BENCH, "exec"), str(COUNT), "/bin/true", *sum(words, [])[:-1]]
    done = subprocess.run(argv, env=environment({}), capture_output=True, text=True, check=True)
    return dict(zip(added, json.loads(done.stdout), strict=True))


def run():
    with Place() as place:
        added = subjects(place)
        added[INERT] = {**added[OURS], "MTPRELOAD_ONLY": "another"}
        samples = [measure(added) for _ in range(ROUNDS)]
    us = merged(samples)
    more = {name: spread([sample[name]["p50_us"] - sample[NONE]["p50_us"] for sample in samples])
            for name in added if name != NONE}
    record("exec", {"microseconds": us, "more_than_none": more})
    rows = [[name, f"{us[name]['p50_us']['median']:.0f}",
             f"+{more[name]['median']:.0f} ({more[name]['quartiles_percent']:.0f} %)"
             if name in more else "", f"{us[name]['p99_us']['median']:.0f}"] for name in us]
    put("exec", table(["µs", "p50", "more than without", "p99"], rows))
