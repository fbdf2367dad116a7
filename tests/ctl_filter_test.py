#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whom mtctl does not ask, since a seccomp filter might end it; and that a container's filter keeps nobody away."""

import json
import os
import re
import subprocess
import sys

from ctl import (HEADER, INSTALL, KILL, REFUSE, SLEEP, alone, as_root, bpf, clean, findings, here, host, isolate,
                 name_of, path_of, run, says)
from harness import LIB, MTCTL, PIPES, Place, Program, equal, fact, pid_lives, run_facts, wait_for

isolate()

ACCEPT, UNSHARE = 288, 272
USER = 1000
DEADLY = INSTALL + f"""
import os
def shut_up():
    sys.stdin.readline()
    install({bpf(KILL, ACCEPT)!r}, 1)
"""
HOST = DEADLY + "shut_up()\nprint('installed', flush=True)\nsys.stdin.readline()\n"
PREFORK = DEADLY + """
shut_up()
child = os.fork()
if child:
    print(child, flush=True)
sys.stdin.readline()
"""
REFUSING = INSTALL + f"install({bpf(REFUSE, UNSHARE)!r}, 0)\nimport os, subprocess\n"
RISK = "has a seccomp filter that may end it as soon as a client connects, so it was not asked"


def on_x86(mark):
    """The filters here are for its numbers."""
    return mark if os.uname().machine == "x86_64" else lambda function: function


def deadly(place, code=HOST, *before, **options):
    """Ends at accept4, as soon as it has been told to."""
    return Program([*before, sys.executable, "-c", code], env=place.environment(), **PIPES, **options)


def shut_up(place, program):
    path = path_of(place, program)
    program.tell()
    equal(program.hear(), "installed\n")
    return path


def listed(pid, env):
    """The line of ls for it."""
    done = run("ls", "-j", env=env)
    equal((done.status, done.err), (0, ""))
    return next((i for i in json.loads(done.out) if i["pid"] == pid), None)


@on_x86(alone)
def nobody_asks_whom_its_filter_might_end_unless_told_so():
    with Place() as place, deadly(place) as program:
        path, env = shut_up(place, program), here(place)
        name, pid = name_of(program), program.pid
        said = f"mtctl: process {pid} ({name}) {RISK} (-p {pid} asks it, at that risk)\n"
        equal(listed(pid, env), {"pid": pid, "parent": os.getpid(), "name": name, "uid": os.geteuid(),
                                 "error": "filter", "socket": path})
        equal(run("ls", env=env).out.splitlines()[1].split(),
              [str(pid), str(os.getpid()), name, str(os.geteuid()), "-", "filter", "-", path])
        equal(listed(pid, clean())["error"], "filter", "found by the process alone")
        for words in ((), ("-n", name), ("-n", f"{name}:master")):
            says(run(*words, "mt.mem_used", env=env), 3, "", said)
            says(run(*words, "-", stdin="mt.mem_used\n", env=env), 3, "", said)
        says(run("--all", "mt.mem_used", env=env), 3, f"# {pid} {name}\n", said)
        assert "was not asked" in findings(status=0, env=env)["filter"]["text"]
        assert pid_lives(pid)
        equal(run("-p", str(pid), "mt.mem_used", env=env).status, 3)
        wait_for(lambda: not pid_lives(pid), "the filter to end it")
        says(run("ls", env=env), 0, HEADER)


@on_x86(alone)
def those_beside_it_are_asked_and_it_is_named():
    with Place() as place, deadly(place) as program, host(place) as other:
        shut_up(place, program), path_of(place, other)
        both = sorted(((program.pid, name_of(program), " (filter)"), (other.pid, "sleep", "")))
        says(run("mt.mem_used", env=here(place)), 3, "", "mtctl: 2 instances are running: " + ", ".join(
            f"{pid} {name}{mark}" for pid, name, mark in both) +
            " (choose with -p PID or -n NAME, or --all for each)\n")
        done = run("--all", "mt.mem_used", env=here(place))
        equal((done.status, f"# {other.pid} sleep\n0\n" in done.out), (3, True), done.out)
        assert RISK in done.err, done.err
        says(run("-n", "sleep", "mt.mem_used", env=here(place)), 0, "0\n")
        says(run("-p", str(other.pid), "mt.mem_used", env=here(place)), 0, "0\n")
        assert pid_lives(program.pid)


@on_x86(fact)
def a_filter_is_inherited_by_workers_and_so_is_the_suspicion():
    with Place() as place, deadly(place, PREFORK) as program:
        path_of(place, program)
        program.tell()
        worker = int(program.hear())
        place.wait_socket(worker)
        for pid in (program.pid, worker):
            equal(listed(pid, here(place))["error"], "filter")
            equal(findings(str(pid), status=0)["filter"]["level"], "note")


@on_x86(fact)
def a_second_one_with_its_fixed_socket_does_not_lead_to_it():
    with Place() as place:
        fixed = f"{place.run}/a.sock"
        env = place.environment(socket=fixed)
        with Program([sys.executable, "-c", HOST], env=env, **PIPES) as program:
            wait_for(lambda: os.path.exists(fixed), fixed)
            program.tell()
            equal(program.hear(), "installed\n")
            with Program(SLEEP, env=place.environment(socket=fixed, only="nobody")) as other:
                wait_for(lambda: name_of(other) == "sleep", "exec")
                equal(listed(program.pid, clean())["socket"], fixed)
                run("-p", str(other.pid), "mt.mem_used")
                assert pid_lives(program.pid)


@on_x86(alone)
def one_in_another_pid_namespace_is_not_asked_by_its_name():
    """Nobody with that number is here, so its name looks like one left behind."""
    code = "import os\nfor _ in range(40):\n    if os.fork() == 0:\n        os._exit(0)\n    os.wait()\n" + \
           f"if os.fork():\n    os.wait()\nelse:\n    os.execv({sys.executable!r}, ['python3', '-c', {HOST!r}])\n"
    spaces = ["unshare", "--pid", "--fork", "--kill-child"]
    with Place() as place, Program([*spaces, "env", f"LD_PRELOAD={LIB}", f"MTPRELOAD_DIR={place.run}",
                                    "MTPRELOAD_FORK=off", sys.executable, "-c", code], env=clean(), **PIPES) as outer:
        def number():
            names = [re.fullmatch(r"mtpreload\.(\d+)\.sock", name) for name in place.names()]
            return max((int(name.group(1)) for name in names if name), default=0)
        inner = wait_for(lambda: number() > 1 and number(), "its socket")
        outer.tell()
        equal(outer.hear(), "installed\n")
        line = next(i for i in json.loads(run("ls", "-j", env=here(place)).out) if i.get("error") == "filter")
        equal(line["socket"], place.socket(inner))
        run("mt.mem_used", env=here(place)), run("doctor", env=here(place))
        assert pid_lives(line["pid"])


# Another user's process only claims to be one, by its thread's name, its environment or its own idea of its pid.

CLAIMS = INSTALL + f"""
import os, threading, time
os.setgroups([]); os.setgid({USER}); os.setuid({USER})
def become(number):
    \"\"\"In new user and pid namespaces, whose first process waits.\"\"\"
    assert ctypes.CDLL(None).unshare(0x30000000) == 0
    if os.fork():
        os.wait()
        os._exit(0)
    while (child := os.fork()):
        if child == number:
            sys.stdin.readline()
            os._exit(0)
        os.waitpid(child, 0)
    if os.getpid() != number:
        os._exit(0)
if sys.argv[1] == "inner":
    become(int(sys.argv[2]))
ready = threading.Event()
def ours():
    ctypes.CDLL(None).prctl(15, b"mtpreload")
    ready.set()
    time.sleep(1000)
threading.Thread(target=ours, daemon=True).start()
ready.wait()
install({bpf(KILL)!r}, 1)
print("installed", flush=True)
sys.stdin.readline()
"""


@on_x86(as_root)
def who_only_claims_a_name_hides_nobody():
    for kind in ("socket", "inner"):
        with Place() as place, host(place) as program:
            path = path_of(place, program)
            with Program([sys.executable, "-c", CLAIMS, kind, str(program.pid)], env=clean(MTPRELOAD_SOCKET=path),
                         **PIPES) as lure:
                equal(lure.hear(), "installed\n")
                for env in (here(place), clean()):
                    line = listed(program.pid, env)
                    equal((line["socket"], line.get("held")), (path, 0), kind)
                    says(run("-p", str(program.pid), "mt.mem_used", env=env), 0, "0\n")
                    says(run("-n", "sleep", "mt.mem_used", env=env), 0, "0\n")


# A program that was started behind a filter.

@on_x86(fact)
def a_filter_from_before_the_start_is_no_obstacle():
    code = REFUSING + "subprocess.run(['sleep', '1000'], env=dict(os.environ, LD_PRELOAD=sys.argv[1]))\n"
    with Place() as place, Program([sys.executable, "-c", code, LIB], env=here(place)) as outer:
        path = f"/proc/{outer.pid}/task/{outer.pid}/children"
        pid = int(wait_for(lambda: open(path).read(), "the child").split()[0])
        place.wait_socket(pid)
        equal(listed(pid, here(place))["held"], 0)
        equal({f["level"] for f in findings(str(pid), status=0).values()}, {"ok"})


# As a runtime makes a container whose first process is the program: from the outside.
CONTAINER = """
import os
os.execvp("setpriv", ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", "env",
          "LD_PRELOAD=" + sys.argv[1], "sleep", "1000"])
"""


@on_x86(alone)
def a_container_s_filter_is_no_obstacle():
    with Place() as place, Program(["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c",
                                    REFUSING + CONTAINER, LIB], env=here(place)) as outer:
        place.wait_socket(1)
        path = f"/proc/{outer.pid}/task/{outer.pid}/children"
        equal(listed(int(open(path).read()), here(place))["held"], 0)


# The same, from the inside: beside the program, which is the first process, mtctl runs behind the same filter.
INSIDE = REFUSING + """
import time
mtctl, library, directory, code = sys.argv[1:]
if os.fork() == 0:
    while not os.path.exists(directory + "/go"):
        time.sleep(0.01)
    with open(directory + "/said.tmp", "w") as said:
        subprocess.run([mtctl, "ls", "-j"], stdout=said)
    os.rename(directory + "/said.tmp", directory + "/said")
    time.sleep(1000)
os.environ["LD_PRELOAD"] = library
os.execv(sys.executable, ["python3", "-c", code])
"""


@on_x86(alone)
def mtctl_in_a_container_knows_the_container_s_filter():
    for adds_one in (False, True):
        with Place() as place, Program(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                                        "-c", INSIDE, MTCTL, LIB, place.path, HOST], env=here(place),
                                       **PIPES) as outer:
            wait_for(lambda: os.path.exists(place.socket(1)), "its socket")
            if adds_one:
                outer.tell()
                equal(outer.hear(), "installed\n")
            said = os.path.join(place.path, "said")
            open(os.path.join(place.path, "go"), "w").close()
            wait_for(lambda: os.path.exists(said), "what mtctl says")
            with open(said) as answer:
                line = next(i for i in json.load(answer) if i["pid"] == 1)
            equal((line.get("held"), line.get("error")), (None, "filter") if adds_one else (0, None))


run_facts()
