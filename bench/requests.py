# SPDX-License-Identifier: BSD-2-Clause
"""What a request costs, ours and Kamailio's interleaved in one run, and what one client waits while
another keeps us busy."""

import json
import os
import shutil
import statistics
import subprocess
from contextlib import ExitStack

from common import BENCH, ROUNDS, put, record
from harness import Client, Place, Program, wait_for
from inject import COUNTING, behind, installed, ours_in

COUNTS = {"latency": 20000, "pipelined": 100000, "connect": 5000}
FLOOR = "a bare recv and send loop"
SPIN = "the same, never sleeping"

KAMAILIO = """#!KAMAILIO
debug=0
log_stderror=no
children=1
disable_tcp=yes
listen=udp:127.0.0.1:15060
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:{path}/ctl.sock")
request_route {{ exit; }}
"""


def start_kamailio(stack, place):
    """Kamailio with nothing but its control socket, or None where it is not installed."""
    if not shutil.which("kamailio"):
        return None
    config = os.path.join(place.path, "kamailio.cfg")
    with open(config, "w") as file:
        file.write(KAMAILIO.format(path=place.path))
    stack.enter_context(Program(["kamailio", "-f", config, "-DD", "-Y", place.path,
                                 "-m", "16", "-M", "4"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    path = os.path.join(place.path, "ctl.sock")
    wait_for(lambda: os.path.exists(path), "kamailio")
    return path


def start_echo(stack, place, *words):
    """The floor: a bare recv and send loop."""
    path = os.path.join(place.path, "echo.sock" + "".join(words))
    stack.enter_context(Program([os.path.join(BENCH, "echo"), path, *words]))
    wait_for(lambda: os.path.exists(path), "echo")
    return path


def measure(path, form, method, kind, count=None):
    done = subprocess.run([os.path.join(BENCH, "roundtrip"), path, form, method, kind,
                           str(count or COUNTS[kind])], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def subjects(ours, echo, spin, peer):
    """Name, socket, format, method; the peer has no mt.mem_used, so the cheapest that both have."""
    rows = [(f"mtpreload, {form}, mt.mem_used", ours, form, "mt.mem_used")
            for form in ("text", "json", "binrpc")]
    rows.append(("mtpreload, binrpc, core.version", ours, "binrpc", "core.version"))
    rows.append((FLOOR, echo, "text", "mt.mem_used"))
    rows.append((SPIN, spin, "text", "mt.mem_used"))
    if peer:
        rows.append(("kamailio ctl, binrpc, core.version", peer, "binrpc", "core.version"))
    return rows


def kinds_of(name):
    """The echo does not know where a request ends, so pipelining says nothing about it."""
    return [kind for kind in COUNTS if name not in (FLOOR, SPIN) or kind != "pipelined"]


def collect(rows):
    """Every subject in every round, one after the other; the medians over rounds."""
    samples = {row[0]: {kind: [] for kind in kinds_of(row[0])} for row in rows}
    for _ in range(ROUNDS):
        for name, path, form, method in rows:
            for kind in kinds_of(name):
                samples[name][kind].append(measure(path, form, method, kind))
    return {name: {kind: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
                   for kind, runs in kinds.items()} for name, kinds in samples.items()}


def flood(ours, connections):
    argv = [os.path.join(BENCH, "roundtrip"), ours, "text", "mt.describe", "flood", str(connections)]
    return lambda stack: stack.enter_context(Program(argv))


def command(ours, line, before=None):
    def start(stack):
        client = stack.enter_context(Client(ours))
        if before:
            client.ask(before)
        client.send(line + "\n")
    return start


def deaf(ours):
    def start(stack):
        for _ in range(20):
            client = stack.enter_context(Client(ours))
            client.socket.setblocking(False)
            try:
                while True:
                    client.socket.send(b"mt.describe\n" * 50)
            except BlockingIOError:
                pass
    return start


def others(ours):
    """What goes on beside a client without any injection."""
    return {"nobody else": lambda stack: None,
            "a program that only counts": lambda stack: stack.enter_context(Program(COUNTING)),
            "one client floods it with mt.describe": flood(ours, 1), "60 clients do": flood(ours, 60),
            "20 clients never read their replies": deaf(ours)}


def injections(ours):
    return {"mt.mem_rnd_alloc 1 64 4g": command(ours, "mt.mem_rnd_alloc 1 64 4g"),
            "mt.mem_alloc 10g": command(ours, "mt.mem_alloc 10g"),
            "mt.mem_free of 1 GiB in 1-64 bytes": command(ours, "mt.mem_free", "mt.mem_rnd_alloc 1 64 1g"),
            "mt.mem_free of 10 GiB in one": command(ours, "mt.mem_free", "mt.mem_alloc 10g")}


def another_waits(ours, cases):
    """What a client waits in each case: the medians over rounds."""
    waits = {}
    for _ in range(ROUNDS):
        for name, start in cases.items():
            with ExitStack() as stack:
                start(stack)
                waits.setdefault(name, []).append(
                    measure(ours, "text", "core.version", "latency", 5000))
            with Client(ours) as client:
                client.call("mt.reset")
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            for name, runs in waits.items()}


def waits_behind(name):
    """While each allocator is at work."""
    with Place() as place, Program(["sleep", "10000"], env=ours_in(place, behind(name)[1])) as host:
        ours = place.wait_socket(host.pid)
        return {f"{what}, {name}": wait for what, wait in another_waits(ours, injections(ours)).items()}


def waits_table(waits):
    lines = ["| meanwhile | p50 | p99 | most |", "|---|---|---|---|"]
    for name, w in waits.items():
        lines.append(f"| {name} | {w['p50_us']:.0f} | {w['p99_us']:.0f} | {w['max_us']:.0f} |")
    return "\n".join(lines) + "\n"


def table(results):
    lines = ["| request | round trip p50 | p99 | pipelined | connect, call, close p50 | p99 |",
             "|---|---|---|---|---|---|"]
    for name, r in results.items():
        burst = f"{r['pipelined']['mean_us']:.2f}" if "pipelined" in r else ""
        lines.append(f"| {name} | {r['latency']['p50_us']:.1f} | {r['latency']['p99_us']:.1f} | "
                     f"{burst} | {r['connect']['p50_us']:.1f} | "
                     f"{r['connect']['p99_us']:.1f} |")
    return "\n".join(lines) + "\n"


def run():
    with ExitStack() as stack:
        place = stack.enter_context(Place())
        host = stack.enter_context(Program(["sleep", "10000"], env=place.environment()))
        ours = place.wait_socket(host.pid)
        results = collect(subjects(ours, start_echo(stack, place), start_echo(stack, place, "spin"),
                                    start_kamailio(stack, place)))
        waits = another_waits(ours, others(ours))
    for name in installed():
        waits |= waits_behind(name)
    record("requests", {"microseconds": results, "waits_microseconds": waits})
    put("requests", table(results))
    put("waits", waits_table(waits))
