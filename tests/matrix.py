# SPDX-License-Identifier: BSD-2-Clause
"""The live matrix: a real program is used twice, without and with the library, and everything that its
user sees has to be the same. In between the second time it is leaked into, stress-tested and reset.
What was seen is written to build/live, from which tests/programs makes the table in the docs.
What its processes print where nobody looks, a daemon on its terminal, is seen as well."""

import contextlib
import difflib
import json
import os
import pprint
import re
import subprocess
import sys
import tempfile

import harness
from harness import BUILD, MIB, MTCTL, Client, Place, fact, resident, wait_for, without_library

RESULTS = os.path.join(BUILD, "live")


class Run:
    """One of the two times. `place.path` is an empty directory for the program's files."""

    def __init__(self, place, watched):
        self.place, self.watched, self.drilled = place, watched, []

    @property
    def path(self):
        return self.place.path

    def env(self, **more):
        """The environment to start the program with."""
        return (self.place.environment() if self.watched else without_library()) | more

    def command(self, *argv, **options):
        """Runs a command of the program to its end; (status, stdout, stderr)."""
        options.setdefault("timeout", harness.PATIENCE_S)
        options.setdefault("env", self.env())
        options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", **options)
        return done.returncode, done.stdout, done.stderr

    def connect(self, pid):
        """A connection to the process. When one program has executed the next, as sh does a daemon, the
        first one's name refuses until the next has bound its own; or for ever, where the next may not remove it."""
        def try_to():
            self.place.wait_socket(pid)
            for path in self.place.sockets(pid):
                try:
                    return Client(path)
                except (ConnectionRefusedError, FileNotFoundError):
                    continue
            return None
        return wait_for(try_to, f"{pid} to answer")

    def prune(self):
        """As root's `ls` does. On a slow machine what root has executed leaves a name that only root may call."""
        if self.watched:
            subprocess.run([MTCTL, "ls"], env=self.env(LD_PRELOAD=""), stdout=subprocess.DEVNULL, check=True)

    def drill(self, pid, path=None):
        """With the library: leaks into the process, at once and at a rate, runs a timed test in it, takes it all
        back. Without: nothing. The library has to be at work in it. `path`: its socket, if not in our place."""
        if not self.watched:
            return
        with Client(path) if path else self.connect(pid) as client:
            info = client.call("mt.info")
            before = resident(pid)
            client.call("mt.mem_alloc", "64m")
            client.call("mt.mem_rnd_alloc", 1, 2000, "1m")
            grown = resident(pid) - before
            # Far less than 65: a collector or a compiler of the host's may give back some meanwhile.
            assert grown > 32 * MIB, f"grew by {grown} only"
            leak = client.call("mt.leak_start", rate="100m", limit="4m")
            number = client.call("mt.mem_test_start", 1, 64, 256, 1, 2, "1h", "k")
            wait_for(lambda: client.call("mt.mem_test_list", number)[0]["overflows"] > 0,
                     "the test to have freed once")
            wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["held"] == 4 * MIB, "the leak's limit")
            held = client.call("mt.mem_used")
            assert client.call("mt.reset") >= 69 * MIB, held
            assert client.call("mt.mem_used") == 0
            self.drilled.append({"program": info["program"], "allocator": info["allocator"],
                                 "in_path": info["in_path"]})


# What differs between any two runs, in the order in which it is looked for. Apache shuffles Allow.
UNSTEADY = [
    (r"(?im)^(Date|Last-Modified|ETag|Allow): .*?(\r?)$", r"\1: X\2"),
    (r"\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?( UTC| [A-Z]{3,4}\b)?", "TIME"),
    (r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [-+]\d{4}", "TIME"),
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(\.\d+)? \d{4}", "TIME"),
    (r"\d+:[A-Z] \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d+", "TIME"),
    (r"\b\d+#\d+: (\*\d+ )?", "N: "),
    (r"(?i)\b(pid|tid|process)([ :=]+)\d+", r"\1\2N"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
]


def steady(run, text, *more):
    """The text without times, pids, ports and the place's path; `more` are pairs of a pattern and
    what stands for it."""
    text = text.replace(run.path, "PLACE")
    for pattern, instead in UNSTEADY + list(more):
        text = re.sub(pattern, instead, text)
    return text


def lines_said(run, text, *more):
    """Its lines made steady, sorted, each once: two processes write them."""
    return sorted({steady(run, line, *more) for line in text.splitlines()})


@contextlib.contextmanager
def overheard():
    """Our own standard output and errors go to a file meanwhile, and with them those of every program that is started
    without others. Gives a list, which has the text once that is over; after a failure it is printed."""
    said = []
    own = [os.dup(fd) for fd in (1, 2)]
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        try:
            sys.stdout.flush()
            for fd in (1, 2):
                os.dup2(file.fileno(), fd)
            yield said
        finally:
            sys.stdout.flush()
            for fd, copy in zip((1, 2), own):
                os.dup2(copy, fd)
                os.close(copy)
            file.seek(0)
            said.append(file.read())
            if sys.exc_info()[0]:
                print(said[0], end="")


# Nobody but the loader and we would speak of these.
OURS = re.compile(r"ld\.so|preload")


def program(name, version, drilled=True, unsteady=()):
    """Marks a function that uses a program through the Run it is given and returns what its user saw:
    anything that can be compared. `version` is the command that prints it. `drilled`: it lives long enough
    to be injected into. `unsteady`: as for steady(), in what it prints where nobody looks."""
    def mark(function):
        def once(watched):
            with Place() as place:
                run = Run(place, watched)
                with overheard() as said:
                    seen = function(run)
                assert not OURS.search(said[0]), said[0]
                # Both kinds of leftovers: names of ours, which nobody may leave, and processes.
                wait_for(lambda: place.names() == [], f"no names to be left: {place.names()}")
                return (seen, lines_said(run, said[0], *unsteady)), run.drilled

        def compare():
            forget(name)
            plain, _ = once(False)
            seen, drills = once(True)
            assert seen == plain, difference(plain, seen)
            assert bool(drills) == drilled, "it was not injected into"
            write(name, version, drills)
        compare.__name__ = function.__name__
        return fact(compare)
    return mark


def lines_of(seen, width=150):
    """Text by its own lines, and long ones in pieces, so that a difference in them is seen."""
    return [line[at:at + width] for line in pprint.pformat(seen, width=100).splitlines()
            for at in range(0, len(line), width)]


DIFFERENCE_LINES = 40


def difference(plain, seen):
    """What a person needs to see of two times that were not the same."""
    lines = list(difflib.unified_diff(lines_of(plain), lines_of(seen), "without the library", "with it",
                                      n=2, lineterm=""))
    left_out = lines[DIFFERENCE_LINES:]
    lines[DIFFERENCE_LINES:] = [f"({len(left_out)} more lines)"] if left_out else []
    return "\n".join(["what the user saw was not the same"] + lines)


def result_of(name):
    return os.path.join(RESULTS, name.replace("/", "-") + ".json")


def forget(name):
    """What an earlier run has seen, which is no longer known to be so."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(result_of(name))


def write(name, version, drills):
    """For the table of programs."""
    done = subprocess.run(version, shell=True, capture_output=True, text=True)
    line = next((word for word in (done.stdout + done.stderr).splitlines() if word.strip()), "")
    os.makedirs(RESULTS, exist_ok=True)
    with open(result_of(name), "w") as file:
        json.dump({"name": name, "version": line.strip(), "drilled": len(drills),
                   "programs": sorted({d["program"] for d in drills}),
                   "allocators": sorted({d["allocator"] for d in drills}),
                   "in_path": all(d["in_path"] for d in drills)}, file)
