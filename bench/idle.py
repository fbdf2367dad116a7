# SPDX-License-Identifier: BSD-2-Clause
"""What a host's threads do while it sleeps and nobody asks: the kernel's own counters of them, over
a window."""

import os
import time
from contextlib import ExitStack

from common import HEAPTRACK, OURS, ROUNDS, environment, merged, put, record, subjects, table
from harness import Place, Program, mtctl, wait_for

WINDOW_S = float(os.environ.get("WINDOW_S", "10"))
STATES = {"after the start": (), "after a client has come and gone": ("mt.mem_used",),
          "holding 10 MiB": ("mt.mem_alloc", "10", "m")}
COLUMNS = {"ms": ("processor time, ms", ".3f"), "ticks": ("in ticks", ".0f"),
           "voluntary": ("wake-ups", ".0f"), "nonvoluntary": ("pre-empted", ".0f")}


def sleeper(added):
    """The host that does nothing."""
    return Program(["sleep", "1000000"], env=environment(added))


def tasks(pid):
    """Its threads' directories."""
    return [f"/proc/{pid}/task/{tid}" for tid in os.listdir(f"/proc/{pid}/task")]


def task_named(pid, wanted):
    """The thread's directory, or None."""
    for task in tasks(pid):
        with open(f"{task}/comm") as file:
            if file.read().strip().split(":")[0] == wanted:
                return task
    return None


def counters(task):
    """Ticks of processor time as accounting has them, milliseconds as the scheduler has them, and
    how often it gave the processor up or was taken it away."""
    with open(f"{task}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    found = {"ticks": int(words[11]) + int(words[12])}
    with open(f"{task}/schedstat") as file:
        found["ms"] = int(file.read().split()[0]) / 1e6
    with open(f"{task}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"):
                found[name.split("_")[0]] = int(value)
    return found


def sleeps(task):
    with open(f"{task}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "S"


def settle(name, pid):
    """The start, or a last wake-up when the client has its answer already, may still be under way:
    settled is when the threads sleep and nothing has been counted between two looks. heaptrack's
    own thread never rests, so there the program's has to do."""
    def settled():
        watched = [f"/proc/{pid}/task/{pid}"] if name == HEAPTRACK else tasks(pid)
        before = [counters(task) for task in watched]
        time.sleep(0.2)
        return all(map(sleeps, watched)) and [counters(task) for task in watched] == before
    wait_for(settled, f"a host under {name} to sleep")


def look(pids):
    """At all hosts; each one's threads together."""
    return {name: {key: sum(counters(task)[key] for task in tasks(pid)) for key in COLUMNS}
            for name, pid in pids.items()}


def measure():
    """All in the same window, since hosts that sleep are not in each other's way."""
    with Place() as place, ExitStack() as hosts:
        added = subjects(place)
        ours = added.pop(OURS)
        pids = {name: hosts.enter_context(sleeper(peer)).pid for name, peer in added.items()}
        for state, command in STATES.items():
            pid = pids[f"{OURS}, {state}"] = hosts.enter_context(sleeper(ours)).pid
            path = place.wait_socket(pid)
            if command:
                mtctl(path, *command)
        for name, pid in pids.items():
            settle(name, pid)
        before = look(pids)
        time.sleep(WINDOW_S)
        after = look(pids)
    return {name: {key: after[name][key] - before[name][key] for key in COLUMNS} for name in pids}


def run():
    found = merged([measure() for _ in range(ROUNDS)])
    record("idle", {"seconds": WINDOW_S, "windows": found})
    put("idle", table([f"{WINDOW_S:g} s", *(title for title, _ in COLUMNS.values())],
                      [[name, *(f"{got[key]['median']:{form}} ({got[key]['most']:{form}})"
                                for key, (_, form) in COLUMNS.items())]
                       for name, got in found.items()]))
