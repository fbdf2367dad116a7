# SPDX-License-Identifier: BSD-2-Clause
"""What of a library is resident in a host it does nothing for; of ours also in which mappings."""

import re
import statistics

from common import NONE, OURS, merged, put, record, rounds, subjects, table
from harness import LIB, Place, mtctl
from idle import settle, sleeper, task_named

HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)")
FIELDS = ("Rss", "Pss", "Private_Dirty")
STATES = ("idle since its start", "after one command")


def rollup(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return {line.split(":")[0]: int(line.split()[1])
                for line in file if line.split(":")[0] in FIELDS}


def mappings(pid):
    """Start, end, rights, name and the fields in KiB of each."""
    found = []
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            header = HEADER.match(line)
            if header:
                found.append({"start": int(header[1], 16), "end": int(header[2], 16),
                              "rights": header[3], "name": header[4].strip()})
            elif line.split(":")[0] in FIELDS:
                found[-1][line.split(":")[0]] = int(line.split()[1])
    return found


def stack_pointer(task):
    """Of a thread that waits in a system call."""
    with open(f"{task}/syscall") as file:
        return int(file.read().split()[-2], 16)


def part_of(mapping, previous, stack_at):
    """Which part of ours a mapping is, or None. What follows our data without a name is .bss."""
    if mapping["name"] == LIB:
        return {"r-xp": "code", "rw-p": "data"}.get(mapping["rights"], "constants, relocations")
    if previous and previous["name"] == LIB and follows(mapping, previous):
        return "zeroed data (.bss)"
    if mapping["start"] <= stack_at < mapping["end"]:
        return "the thread's stack"
    return None


def follows(mapping, previous):
    """Is it the .bss of the file before it?"""
    return not mapping["name"] and previous["name"].startswith("/") and \
        previous["end"] == mapping["start"]


def nameless(found):
    return sum(m["Rss"] for previous, m in zip(found, found[1:])
               if not m["name"] and "part" not in m and not follows(m, previous))


def of_library(pid, task):
    """KiB by part, and what is resident of private memory that is not recognised."""
    stack_at = stack_pointer(task)
    found, parts, previous = mappings(pid), {}, None
    for mapping in found:
        part = part_of(mapping, previous, stack_at)
        previous = mapping
        if part:
            mapping["part"] = part
            kib = parts.setdefault(part, dict.fromkeys(FIELDS, 0))
            for field in FIELDS:
                kib[field] += mapping[field]
    return parts, nameless(found)


def look_at_ours(place, added):
    """In each state the whole process, and our parts of it."""
    seen = {}
    with sleeper(added) as host:
        path = place.wait_socket(host.pid)
        task = task_named(host.pid, "mtpreload")
        for state in STATES:
            settle(OURS, host.pid)
            parts, other = of_library(host.pid, task)
            seen[state] = {"total": rollup(host.pid), "parts": parts, "other": other}
            mtctl(path, "mt.mem_used")
    return seen


def look_at(name, added):
    """The same host without us."""
    with sleeper(added) as host:
        settle(name, host.pid)
        return {name: {"total": rollup(host.pid), "other": nameless(mappings(host.pid))}}


def table_of(totals, base):
    rows = []
    for name, got in totals.items():
        rows.append([name] + [f"{got['total'][field]:.0f} "
                              f"({got['total'][field] - base['total'][field]:+.0f})"
                              for field in FIELDS])
    return table(["", "resident", "proportional", "private and written"], rows)


def table_of_parts(ours, base):
    """What no part explains are pages of the host and of its libraries: most are libc's code, in the
    page cache anyway, mapped around what our calls of it touched."""
    rows = []
    for state in STATES:
        got = ours[state]
        left = got["total"]["Rss"] - base["total"]["Rss"]
        parts = {part: kib["Rss"] for part, kib in got["parts"].items()}
        parts["buffers and other private memory"] = got["other"] - base["other"]
        parts["more of libc's and the host's own pages"] = left - sum(parts.values())
        for part, kib in parts.items():
            rows.append((part, state, f"{kib:.0f}"))
    names = list(dict.fromkeys(part for part, _, _ in rows))
    found = {(part, state): kib for part, state, kib in rows}
    return table(["", *STATES],
                 [[part] + [found.get((part, state), "") for state in STATES] for part in names])


def run():
    with Place() as place:
        added, seen = subjects(place), {}
        for name in rounds(added):
            got = look_at_ours(place, added[name]) if name == OURS else look_at(name, added[name])
            for state, numbers in got.items():
                seen.setdefault(state, []).append(numbers)
    kib = {state: merged(taken, statistics.median) for state, taken in seen.items()}
    record("memory", {"kib": kib})
    base = kib[NONE]
    totals = {name: kib[name] for name in (*(n for n in added if n != OURS), *STATES)}
    named = {f"{OURS}, {n}" if n in STATES else n: got for n, got in totals.items()}
    put("memory", table_of(named, base))
    put("memory-parts", table_of_parts(kib, base))
