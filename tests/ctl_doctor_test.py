#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl doctor on this machine, and on processes without the library: each cause, in a real case of
it."""

import os
import re
import shutil
import signal
import socket
import subprocess

from ctl import (NOBODY, SLEEP, alone, as_root, clean, findings, here, host, isolate, path_of, problem,
                 process, run, says, started)
from harness import LIB, MTCTL, Place, Program, equal, fact, run_facts, wait_for

isolate()


# Processes without the library.

@fact
def a_process_without_it_was_started_so():
    with Program(SLEEP, env=clean()) as program:
        process("started", "it was started without the library", program=program)
        says(run("doctor", str(program.pid)), 1,
             "problem  started      it was started without the library: LD_PRELOAD does not name it "
             "(mtctl run -- PROGRAM)\n")
    says(run("doctor", str(program.pid)), 3, "", f"mtctl: there is no process {program.pid}\n")
    says(run("doctor", "-p", str(program.pid), "-j"), 3,
         f'{{"error":{{"code":3,"message":"there is no process {program.pid}"}}}}\n')


@fact
def a_cleaned_environment_is_told_from_that():
    with Place() as place, host(place, ("sh", "-c", "env -u LD_PRELOAD sleep 1000; true")) as shell:
        path = f"/proc/{shell.pid}/task/{shell.pid}/children"
        pid = int(wait_for(lambda: open(path).read(), "the child").split()[0])
        wait_for(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"), "exec")
        problem("wiped", f"its ancestor {shell.pid} (sh) has the library", of=[pid])
        os.kill(pid, signal.SIGKILL)


@fact
def a_wrong_path_is_named():
    for value, check, text in (
            ("/nonexistent/libmtpreload.so", "path", "LD_PRELOAD says /nonexistent/libmtpreload.so: No"),
            ("nowhere/libmtpreload.so", "path", "says nowhere/libmtpreload.so, a path from the directory"),
            ("libmtpreload.so", "path", "without a directory")):
        with Program(SLEEP, env=clean(LD_PRELOAD=value), stderr=subprocess.DEVNULL) as program:
            process(check, text, program=program)


@fact
def a_wrong_path_with_a_version_behind_is_named():
    with Program(SLEEP, env=clean(LD_PRELOAD="/nonexistent/libmtpreload.so.0.1"),
                 stderr=subprocess.DEVNULL) as program:
        process("path", "LD_PRELOAD says /nonexistent/libmtpreload.so.0.1: No such file", program=program)


@fact
def a_path_that_the_loader_cuts_is_named():
    for name in ("a b", "a:b", "a b:c d"):
        with Place() as place:
            directory = os.path.join(place.path, name)
            os.mkdir(directory)
            copy = shutil.copy(LIB, directory)
            for before in ("", "/nonexistent/x.so:"):
                with Program(SLEEP, env=clean(LD_PRELOAD=before + copy),
                             stderr=subprocess.DEVNULL) as program:
                    process("path", f"the path '{copy}' has a blank or a colon", program=program)


@as_root
def a_path_that_its_user_cannot_read_is_named():
    with Place() as place:
        closed = os.path.join(place.path, "closed")
        os.mkdir(closed)
        copy = shutil.copy(LIB, closed)
        for mode, file_mode, wanted in ((0o700, 0o755, closed), (0o711, 0o600, copy)):
            os.chmod(closed, mode)
            os.chmod(copy, file_mode)
            with Program(SLEEP, env=clean(LD_PRELOAD=copy), stderr=subprocess.DEVNULL, user=NOBODY,
                         group=NOBODY, extra_groups=[]) as program:
                process("path", f"uid {NOBODY} may not read {wanted},", program=program)


@fact
def a_library_that_came_too_late_is_a_puzzle():
    with Place() as place:
        late = os.path.join(place.path, "libmtpreload.so")
        with Program(SLEEP, env=clean(LD_PRELOAD=late), stderr=subprocess.DEVNULL) as program:
            wait_for(lambda: started(program), "exec")
            shutil.copy(LIB, late)
            process("loading", "which is there, and the loader did not take it", program=program)


# This machine.

@alone
def the_machine_is_looked_at():
    with Place() as place, host(place) as well, host(place, touch="maybe") as half, \
            host(place) as dead, Program(SLEEP, env=clean(LD_PRELOAD="/nonexistent/libmtpreload.so"),
                                         stderr=subprocess.DEVNULL) as without, \
            Program(SLEEP, env=clean()) as other:
        for program in (well, half, dead):
            path_of(place, program)
        wait_for(lambda: started(without) and started(other), "exec")
        dead.process.kill()
        dead.process.wait()
        done = run("doctor", env=here(place))
        equal((done.status, done.err), (1, ""))
        for line in (f"ok       library      {LIB}, ",
                     f"ok       directory    sockets of this environment's programs go to {place.run}\n",
                     f"ok       process      {well.pid} (sleep): {place.socket(well.pid)}\n",
                     f"problem  settings     {half.pid} (sleep): MTPRELOAD_TOUCH",
                     f"problem  path         {without.pid} (sleep): LD_PRELOAD says /nonexistent/"):
            assert ("\n" + done.out).count("\n" + line) == 1, (line, done.out)
        # Tests that kill their programs leave names in other directories as well.
        assert re.search(r"(?m)^ok       stale        \d+ names? left by dead processes removed$", done.out)
        equal(os.path.exists(place.socket(dead.pid)), False)
        for program in (dead, other):
            assert f" {program.pid} " not in done.out, done.out
        assert f" {half.pid} (sleep): {place.socket(half.pid)}\n" not in done.out


@fact
def a_fixed_socket_of_this_environment_is_looked_at():
    program = shutil.which("sleep")
    with Place() as place:
        for directory, level, text in ((place.run, "ok", "sockets of this environment's programs go to "
                                        "MTPRELOAD_SOCKET={}/%p.sock"),
                                       ("/nonexistent", "note", "MTPRELOAD_SOCKET={0}/%p.sock: {0} does not exist")):
            env = dict(here(place), MTPRELOAD_SOCKET=f"{directory}/%p.sock")
            said = findings("--", program, status=0, env=env)["directory"]
            equal((said["level"], said["text"]), (level, text.format(directory)))
            equal("MTPRELOAD_SOCKET" in said["remedy"], level == "note")


@fact
def a_missing_library_is_a_problem():
    with Place() as place:
        tool = shutil.copy(MTCTL, place.path)
        done = run("doctor", binary=tool)
        equal((done.status, done.err), (1, ""))
        assert "problem  library      libmtpreload.so is neither beside mtctl nor in" in done.out
        done = run("doctor", env=clean(MTPRELOAD_LIB="/nonexistent"))
        assert "problem  library      MTPRELOAD_LIB=/nonexistent: No such file" in done.out, done.out
        os.mkdir(os.path.join(place.path, "a b"))
        copy = shutil.copy(LIB, os.path.join(place.path, "a b"))
        done = run("doctor", "--", "sleep", env=clean(MTPRELOAD_LIB=copy))
        assert done.status == 1 and "has a blank or a colon" in done.out, done.out


@fact
def a_library_that_others_cannot_read_is_noted():
    with Place() as place:
        closed = os.path.join(place.path, "closed")
        os.mkdir(closed, 0o700)
        copy = shutil.copy(LIB, closed)
        problem("readable", f"not everybody may read {closed}:", of=["--", "sleep"], level="note",
                env=clean(MTPRELOAD_LIB=copy))


@alone
def names_that_nobody_answers_to_are_noted():
    with Place() as place:
        path = place.socket(os.getpid())  # a live process, which does not listen
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        done = run("doctor", env=here(place))
        assert f"note     unreachable  {path}: Connection refused" in done.out, done.out


@as_root
def instances_that_refuse_us_are_noted():
    with Place() as place, host(place) as one, host(place) as two:
        paths = [path_of(place, program) for program in sorted((one, two), key=lambda program: program.pid)]
        tool, library = (shutil.copy(file, place.path) for file in (MTCTL, LIB))
        env = here(place) | {"MTPRELOAD_LIB": library}
        found = findings(status=0, env=env, user=NOBODY, group=NOBODY, extra_groups=[], binary=tool)
        equal((found["unreachable"]["level"], found["unreachable"]["remedy"]),
              ("note", "run mtctl as their user, or as root"))
        equal(sorted(found["unreachable"]["text"].split("; ")), sorted(f"{path}: Permission denied" for path in paths))


run_facts()
