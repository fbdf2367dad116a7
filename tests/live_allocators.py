#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The same with other allocators behind us: the unit tests linked to each, the victims, what comes
back, and the facts below. Started without MT_BEHIND it runs all of that for each allocator and adds up the counts."""

import os
import re
import subprocess
import sys

from harness import (ALLOCATORS, BEHIND, BUILD, MIB, TOP, Client, Place, Program, closing_line, equal, fact, library,
                     resident, run_facts, wait_for)

CLOSING_LINES = (re.compile(r"^\d+%: Checks: (?P<all>\d+), Failures: (?P<f>\d+), Errors: (?P<e>\d+)$"),
                 re.compile(r"^(?P<passed>\d+) passed, (?P<f>\d+) failed(, (?P<skipped>\d+) skipped)?$"))


@fact
def it_is_named_and_we_are_in_the_path():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            info = client.call("mt.info")
        equal((info["allocator"], info["in_path"]), (os.path.basename(BEHIND), 1))
        with open(f"/proc/{host.pid}/maps") as maps:
            assert os.path.realpath(BEHIND) in maps.read()


@fact
def small_chunks_are_all_freed_and_used_again():
    """Each of these keeps pages of small blocks for later by a policy of its own, so resident memory
    need not fall. But it must not grow with each round, as it would if anything were lost."""
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            before = resident(host.pid)
            for _ in range(5):
                client.call("mt.mem_rnd_alloc", 1, 64, "64m")
                equal(client.call("mt.mem_used"), 64 * MIB)
                assert resident(host.pid) - before > 64 * MIB
                equal(client.call("mt.mem_free"), 64 * MIB)
                equal(client.call("mt.mem_used"), 0)
            assert resident(host.pid) - before < 200 * MIB, resident(host.pid) - before


@fact
def a_test_runs_and_is_taken_back_whole():
    with Place() as place, Program(["sleep", "1000"],
                                   env=place.environment(check_content=1)) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_test_start", 1, "64k", "4m", 1, 1, "1h")
            client.call("mt.mem_rnd_alloc", 1, 5000, "10m")
            wait_for(lambda: client.call("mt.mem_test_list")[0]["overflows"] >= 2,
                     "the test to go round twice")
            assert client.call("mt.reset") >= 10 * MIB
            equal(client.call("mt.mem_used"), 0)
            status = client.call("mt.status")
            equal((status["tests_running"], status["corruptions"]), (0, 0))


def part(argv, **environment):
    """Runs a part, passes its output on but for the closing line, and returns that line's counts."""
    passed, failed, skipped = 0, 1, 0
    with subprocess.Popen(argv, cwd=TOP, env=dict(os.environ, **environment), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace") as process:
        for line in process.stdout:
            found = next(filter(None, (c.match(line) for c in CLOSING_LINES)), None)
            if not found:
                print(line, end="", flush=True)
                continue
            counts = {name: int(count or 0) for name, count in found.groupdict().items()}
            failed = counts["f"] + counts.get("e", 0)
            passed = counts["passed"] if "passed" in counts else counts["all"] - failed
            skipped = counts.get("skipped", 0)
    return passed, failed or int(process.returncode != 0), skipped


def all_parts():
    for path in map(library, ALLOCATORS):
        print(f"behind us: {path}", flush=True)
        yield part([os.path.join(BUILD, "tests", "unit")], LD_PRELOAD=path)
        for script in ("host", "host_life", "host_namespaces", "host_rights", "return"):
            yield part([sys.executable, f"tests/{script}_test.py"], MT_BEHIND=path)
        yield part([sys.executable, "tests/live_allocators.py"], MT_BEHIND=path)


def main():
    if BEHIND:
        run_facts()
    passed, failed, skipped = (sum(column) for column in zip(*all_parts()))
    print(closing_line(passed, failed, skipped))
    sys.exit(1 if failed else 0)


main()
