# SPDX-License-Identifier: BSD-2-Clause
"""What the host's own signals, changes of user and forks cost while nothing is injected."""

import json
import os
import time

from common import (BENCH, FLOOR_THREAD, HEAPTRACK, OURS, against, environment, put, record, rounds,
                    spread, subjects, table)
from harness import PIPES, Client, Place, Program

WORK = {"signal": "a signal to itself", "setuid": "setuid", "seteuid": "seteuid, another user and back",
        "fork": "fork, exit, wait"}
FLOOR_CHILD = "the same, and one in each forked child"
CLIENT = f"{OURS}, a client connected"
SETTLE_S = 0.3  # our thread rests 50 ms after the start


def measure(place, name, added):
    with Program([os.path.join(BENCH, "calls")], env=environment(added), **PIPES) as host:
        client = None
        if name in (OURS, CLIENT):
            path = place.wait_socket(host.pid)
            client = Client(path) if name == CLIENT else None
        time.sleep(SETTLE_S)
        host.tell()
        found = json.loads(host.hear())
        if client:
            client.socket.close()
    return found


def run():
    with Place() as place:
        added = {}
        for name, one in subjects(place).items():
            if name != HEAPTRACK:  # its forked children may wait for ever in exit
                added[name] = one
            if name == FLOOR_THREAD:
                added[FLOOR_CHILD] = {"LD_PRELOAD": os.path.join(BENCH, "floor_child.so")}
        added[CLIENT] = added[OURS]
        samples = {name: [] for name in added}
        for name in rounds(added):
            samples[name].append(measure(place, name, added[name]))
    ns = {name: {work: spread([sample[work] for sample in taken]) for work in WORK}
          for name, taken in samples.items()}
    record("calls", {"nanoseconds": ns})
    put("calls", table(["ns", *WORK.values()],
                       [[name] + [against(ns[name][work], ns[FLOOR_THREAD][work], ".0f") for work in WORK]
                        for name in ns]))
