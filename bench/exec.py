# SPDX-License-Identifier: BSD-2-Clause
"""What the start and the end of a small program cost."""

import json
import os
import subprocess

from common import (BENCH, HEAPTRACK, NONE, environment, put, record, rounds, spread, subjects,
                    table)
from harness import Place

COUNT = 1000


def measure(added):
    argv = [os.path.join(BENCH, "exec"), str(COUNT), "/bin/true"]
    argv += [f"{name}={value}" for name, value in added.items()]
    return json.loads(subprocess.run(argv, env=environment({}), capture_output=True, text=True,
                                     check=True).stdout)


def run():
    with Place() as place:
        added = subjects(place)
        added.pop(HEAPTRACK, None)  # nobody runs it under whole trees of short programs
        samples = {name: [] for name in added}
        for name in rounds(added):
            samples[name].append(measure(added[name]))
    us = {name: {key: spread([sample[key] for sample in taken]) for key in taken[0]}
          for name, taken in samples.items()}
    record("exec", {"microseconds": us})
    rows = [[name, f"{us[name]['p50_us']['median']:.0f}",
             f"{us[name]['p50_us']['median'] - us[NONE]['p50_us']['median']:+.0f}",
             f"{us[name]['p50_us']['quartiles_percent']:.1f} %",
             f"{us[name]['p99_us']['median']:.0f}"] for name in us]
    put("exec", table(["", "p50", "more than without", "quartiles apart", "p99"], rows))
