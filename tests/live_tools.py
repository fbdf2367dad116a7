#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Commands that start, work and end."""

import subprocess

from harness import Program, run_facts
from matrix import program


@program("sort", "sort --version")
def sort_sorts_the_same(run):
    lines = "".join(f"{n * 7919 % 100003}\n" for n in range(200000))
    with Program(["sort", "-n"], env=run.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 text=True) as sort:
        sort.process.stdin.write(lines)
        sort.process.stdin.flush()
        run.drill(sort.pid)
        out, _ = sort.process.communicate()
        return sort.process.returncode, out


run_facts()
