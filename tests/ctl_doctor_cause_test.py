#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl doctor tells why the library has no thread, no socket or no answer: hosts are brought into each such state, and
that cause is the only problem that is told."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys

from ctl import (INSTALL, NOBODY, REFUSE, SLEEP, as_root, bpf, clean, findings, host, isolate, path_of, problem, process,
                 run, started)
from harness import Place, Program, equal, fact, group_name, need, run_facts, victim, wait_for
from safety import our_thread

isolate()

ROOT = "/sys/fs/cgroup"


def limited(limit, most):
    """For a child, before it executes its program."""
    return lambda: resource.setrlimit(limit, (most, most))


def cause(program, check, *texts):
    """Doctor tells this and nothing else as a problem; what it lacks stands in front."""
    said = process(check, *texts, program=program)
    lacks = ("it has no thread of the library: ", "it has no socket: ", "it does not answer: ")
    assert said["text"].startswith(lacks), said
    return said


# Limits.

@fact
def a_limit_of_descriptors_that_is_too_low_is_named():
    with Place() as place, Program(SLEEP, env=place.environment(),
                                   preexec_fn=limited(resource.RLIMIT_NOFILE, 4)) as program:
        cause(program, "limit", "a table of descriptors may have 4 in it (ulimit -n)")


@fact
def a_limit_of_descriptors_that_was_lowered_is_named():
    with Place() as place, host(place) as program:
        path_of(place, program)
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (3, 3))
        cause(program, "limit", "a table of descriptors may have 3 in it (ulimit -n)")


def memory_limit(kind, option, *before):
    """A host that limits itself right at its start either leaves room enough, or the limit is what is told."""
    need(os.access(victim("limit"), os.X_OK), "not built")
    for kib in (0, 8, 64):
        with Place() as place, Program([*before, victim("limit"), kind, str(kib)], text=True,
                                       env=place.environment(only="host_limit"), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE) as program:
            equal(program.hear(), "limited\n")
            if run("doctor", str(program.pid)).status:
                cause(program, "limit", f"(ulimit {option}): too little is left for a thread and its buffers")
                return
    need(False, "the library needs nothing of that")


@fact
def a_limit_of_address_space_is_named():
    memory_limit("as", "-v")


@fact
def a_limit_of_data_is_named():
    memory_limit("data", "-d")


@as_root
def a_limit_of_locked_memory_is_named():
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    need(most == resource.RLIM_INFINITY or most >= 8 << 20, "no 8 MiB may be locked here")
    memory_limit("memlock", "-l", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


class Group:
    """A control group of this controller, of either version, with files written; gone when the block is left."""

    def __init__(self, controller, **files):
        self.controller, self.files = controller, files
        first = os.path.join(ROOT, controller)
        self.path = os.path.join(first if os.path.isdir(first) else ROOT, group_name())

    def __enter__(self):
        try:
            os.mkdir(self.path)
            for name, value in self.files.items():
                self.write(name.replace("_", "."), value)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
            need(False, f"no control group for {self.controller} can be made here: {error}")
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(value)

    def enter(self):
        self.write("cgroup.procs", "0")


@as_root
def a_full_group_of_processes_is_named():
    with Group("pids", pids_max="1") as group, Place() as place:
        with Program(SLEEP, env=place.environment(), preexec_fn=group.enter) as program:
            cause(program, "limit", f"its control group may have 1 processes and threads, and has them ({group.path}")


@as_root
def a_policy_that_cannot_be_inherited_is_named():
    words = ["-d", "-T", "5000000", "-D", "10000000", "-P", "10000000", "0"]
    need(subprocess.run(["chrt", *words, "true"], capture_output=True, check=False).returncode == 0,
         "SCHED_DEADLINE is not to be had here")
    with Place() as place, host(place, ["chrt", *words, *SLEEP]) as program:
        wait_for(lambda: os.readlink(f"/proc/{program.pid}/exe").endswith("sleep"), "exec")
        cause(program, "policy", "it runs under SCHED_DEADLINE")
    with Place() as place, host(place, ["chrt", "-R", *words, *SLEEP]) as program:
        path_of(place, program)
        equal({f["level"] for f in findings(str(program.pid), status=0).values()}, {"ok"})


@fact
def a_filter_that_refuses_sockets_is_suspected():
    need(os.uname().machine == "x86_64", "system calls are spelled for x86-64")
    code = INSTALL + f"install({bpf(REFUSE, 49, 50)!r}, 0)\nimport os\nos.execvp('sleep', ['sleep', '1000'])\n"
    with Place() as place, host(place, (sys.executable, "-c", code), only="sleep") as program:
        wait_for(lambda: os.readlink(f"/proc/{program.pid}/exe").endswith("sleep"), "exec")
        wait_for(lambda: our_thread(program.pid), "our thread")
        cause(program, "seccomp", "may refuse what our thread calls (socket, bind, listen, accept4)")


# By their numbers for x86-64.
SERVING = {"accept4": (288,), "recvfrom": (45,), "sendto": (44,), "getsockopt": (55,), "ppoll and pselect6": (271, 270)}


@fact
def where_a_filter_refuses_what_serving_takes_there_is_no_name_and_our_thread_sleeps():
    need(os.uname().machine == "x86_64", "system calls are spelled for x86-64")
    for names, numbers in SERVING.items():
        code = INSTALL + f"install({bpf(REFUSE, *numbers)!r}, 0)\nimport os\nos.execvp('sleep', ['sleep', '1000'])\n"
        with Place() as place, host(place, (sys.executable, "-c", code), only="sleep") as program:
            wait_for(lambda: os.readlink(f"/proc/{program.pid}/exe").endswith("sleep"), "exec")
            wait_for(lambda: sleeps(program.pid, our_thread(program.pid)), f"its sleep without {names}")
            cause(program, "seccomp", "it has no socket", "may refuse what our thread calls")
            equal(place.names(), [], names)


def sleeps(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "S"


# Hosts that do not move.

def is_frozen(program, group, below):
    """Frozen in the group, or in one below it, which is told as frozen then."""
    first = os.path.exists(os.path.join(group.path, "freezer.state"))
    state, freeze, thaw = ("freezer.state", "FROZEN", "THAWED") if first else ("cgroup.freeze", "1", "0")
    shown = os.path.join(group.path, below, state if first else "cgroup.events")
    group.write(os.path.join(below, "cgroup.procs"), str(program.pid))
    group.write(state, freeze)
    try:
        wait_for(lambda: ("FROZEN" if first else "frozen 1") in open(shown).read(), "the freezer")
        problem("frozen", f"its control group {group.path} is frozen: nothing in it answers", of=[program.pid])
    finally:
        group.write(state, thaw)


@as_root
def a_frozen_group_is_named():
    with Group("freezer") as group, Place() as place:
        inner = os.path.join(group.path, "inner")
        os.mkdir(inner)
        try:
            with Program(SLEEP, env=place.environment()) as program:
                path_of(place, program)
                is_frozen(program, group, "")
                is_frozen(program, group, "inner")
        finally:
            os.rmdir(inner)


SPINS = "import sys\nsys.stdin.readline()\nprint('spins', flush=True)\nwhile True: pass\n"


def spinner(place, script=SPINS):
    """A real-time host on one processor, which spins once it has a line. It ends itself before long."""
    need(len(os.sched_getaffinity(0)) > 1, "there is one processor only")
    need(subprocess.run(["chrt", "-f", "10", "true"], capture_output=True, check=False).returncode == 0,
         "SCHED_FIFO is not to be had here")
    return Program(["taskset", "-c", str(max(os.sched_getaffinity(0))), "chrt", "-f", "10", sys.executable, "-S", "-c", script],
                   env=place.environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   preexec_fn=limited(resource.RLIMIT_CPU, 20))


def starved(program, lack):
    text = problem("starved", f"{lack}: its thread ", "ready to run under SCHED_FIFO at priority 10", of=[program.pid])["text"]
    assert f"; thread {program.pid} of {program.pid} (" in text and "under SCHED_FIFO at priority 10" in text, text


@as_root
def a_real_time_thread_that_keeps_the_only_processor_is_named():
    with Place() as place, spinner(place) as program:
        path_of(place, program)
        program.tell()
        equal(program.hear(), "spins\n")
        starved(program, "it does not answer")


@as_root
def a_real_time_thread_that_keeps_it_from_the_start_is_named():
    with Place() as place, spinner(place) as program:
        program.tell()
        equal(program.hear(), "spins\n")
        # Whether ours had a turn before that is a race.
        if not os.path.exists(place.socket(program.pid)):
            found = [f for f in findings(str(program.pid), status=1, starved=True).values() if f["level"] == "problem"]
            equal([f["check"] for f in found], ["starved"])


# Lets other threads of its policy have a turn, and then none.
NAPS = "import os\nos.sched_yield()\nprint('spins', flush=True)\nwhile True: pass\n"


@as_root
def a_real_time_thread_that_lets_ours_nap_and_then_keeps_it_is_named():
    """Ours then has no name yet, as long as the start is not held up."""
    with Place() as place, spinner(place, NAPS) as program:
        equal(program.hear(), "spins\n")
        if not os.path.exists(place.socket(program.pid)):
            found = [f for f in findings(str(program.pid), status=1, starved=True).values() if f["level"] == "problem"]
            equal([f["check"] for f in found], ["starved"])


# What is gone.

@fact
def a_name_that_was_removed_is_told():
    with Place() as place, host(place, socket=f"{place.path}/run/x.sock") as program:
        wait_for(lambda: os.path.exists(f"{place.run}/x.sock"), "its socket")
        os.rename(place.run, place.run + ".gone")  # its directory goes with it, so that it cannot be bound again
        problem("removed", f"its socket was {place.run}/", "and that name is gone", of=[program.pid])


@fact
def a_name_with_a_newline_in_it_tells_nothing_of_anothers_socket():
    with Place() as place, host(place, socket=f"{place.path}/run/x.sock") as program, contextlib.ExitStack() as stack:
        path = f"{place.run}/x.sock"
        wait_for(lambda: os.path.exists(path), "its socket")
        with open("/proc/net/unix") as sockets:
            inode = next(line.split()[6] for line in sockets if f"{place.run}/.x.sock" in line)
        for nth in range(300):  # more than the kernel has rows: one of them comes before the true line
            forger = stack.enter_context(socket.socket(socket.AF_UNIX))
            directory = f"{place.path}/{nth}\n0: 2 0 10000 0001 01 {inode} "
            os.mkdir(directory)
            forger.bind(f"{directory}/forged")
        os.rename(place.run, place.run + ".gone")
        done = run("doctor", str(program.pid))
        assert "/forged" not in done.out and done.status == 1, done.out


run_facts()
