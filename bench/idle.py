# SPDX-License-Identifier: BSD-2-Clause
"""What our thread does while nobody asks: the kernel's own counters of it, over a window."""

import os
import time

from common import OURS, environment, put, record, subjects, table
from harness import Place, Program, mtctl, wait_for

WINDOW_S = float(os.environ.get("WINDOW_S", "10"))


def task_named(pid, wanted):
    """The thread's directory, or None."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as file:
            if file.read().strip() == wanted:
                return f"/proc/{pid}/task/{tid}"
    return None


def counters(task):
    """Ticks of processor time as accounting has them, nanoseconds as the scheduler has them, and
    how often it gave the processor up or was taken it away."""
    with open(f"{task}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    found = {"ticks": int(words[11]) + int(words[12])}
    with open(f"{task}/schedstat") as file:
        found["ns"] = int(file.read().split()[0])
    with open(f"{task}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"):
                found[name.split("_")[0]] = int(value)
    return found


def sleeps(task):
    with open(f"{task}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "S"


def window(task):
    """A last wake-up may still be under way when the client has its answer: settled is when the
    thread sleeps and nothing has been counted between two looks."""
    def settled():
        before = counters(task)
        time.sleep(0.2)
        return sleeps(task) and counters(task) == before
    wait_for(settled, "our thread to sleep")
    before = counters(task)
    time.sleep(WINDOW_S)
    after = counters(task)
    return {key: after[key] - before[key] for key in after}


def run():
    with Place() as place:
        env = environment(subjects(place)[OURS])
        with Program(["sleep", "1000000"], env=env) as host:
            path = place.wait_socket(host.pid)
            task = task_named(host.pid, "mtpreload")
            found = {"after the start": window(task)}
            mtctl(path, "mt.mem_used")
            found["after a client has come and gone"] = window(task)
            mtctl(path, "mt.mem_alloc", "10", "m")
            found["holding 10 MiB"] = window(task)
    record("idle", {"seconds": WINDOW_S, "windows": found})
    rows = [[name, f"{got['ns'] / 1e6:.3f} ms", str(got["ticks"]), str(got["voluntary"]),
             str(got["nonvoluntary"])] for name, got in found.items()]
    put("idle", table([f"{WINDOW_S:g} s", "processor time", "in ticks", "wake-ups", "pre-empted"],
                      rows))
