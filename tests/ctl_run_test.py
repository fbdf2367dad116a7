#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How mtctl starts a program under the library."""

import json
import os
import shutil

from ctl import SLEEP, clean, here, isolate, path_of, run, says
from harness import LIB, MTCTL, Place, Program, equal, fact, run_facts

isolate()

SHOW = ("sh", "-c", 'echo "$LD_PRELOAD|$MTPRELOAD_TOUCH|$MTPRELOAD_LOG|$MTPRELOAD_ONLY|$*"', "x")


@fact
def run_puts_the_library_in_front():
    says(run("run", "--", *SHOW, "a", "--json", "-p"), 0, f"{LIB}||||a --json -p\n")
    says(run("run", *SHOW, "a"), 0, f"{LIB}||||a\n")
    says(run("run", "env", env=clean(LD_PRELOAD="")).out.count("LD_PRELOAD=" + LIB + "\n") == 1 and
         run("--version"), 0, "mtctl 0.1.0\n")
    other = LIB  # any library that can be loaded
    says(run("run", "--", *SHOW, env=clean(LD_PRELOAD=other)), 0, f"{LIB}:{other}||||\n")


@fact
def run_makes_an_instance():
    with Place() as place, Program([MTCTL, "run", "--set", "touch=0", "--", *SLEEP],
                                   env=here(place)) as program:
        path = path_of(place, program)
        says(run("-s", path, "cfg.get", "malloc_test", "touch"), 0, "0\n")


@fact
def run_passes_settings_and_programs():
    says(run("run", "--set", "touch=0", "--set=log=/a=b", "--only", "x,y*", "--", *SHOW), 0,
         f"{LIB}|0|/a=b|x,y*|\n")


@fact
def run_refuses_wrong_options():
    for bad in ("touch", "=1", "Touch=1", "a b=1", "x" * 200 + "=1"):
        says(run("run", "--set", bad, "--", "true"), 2, "",
             f"mtctl: --set '{bad}' is no setting (NAME=VALUE, as in touch=0; mtctl cfg.list)\n")
    says(run("run", "--st", "a=1", "--", "true"), 2, "",
         "mtctl: unknown option --st, did you mean --set?\n")
    says(run("run", "-x", "true"), 2, "", "mtctl: unknown option -x (mtctl --help)\n")
    says(run("run", "--only"), 2, "", "mtctl: --only needs a value: PATTERN\n")
    for nothing in ([], ["--"], ["--set", "touch=0"]):
        says(run("run", *nothing), 2, "",
             "mtctl: run what? (mtctl run [--set K=V]... -- PROGRAM [ARG]...)\n")


@fact
def run_ends_as_env_does_where_the_program_cannot_start():
    says(run("run", "--", "no-such-program", env=clean(PATH="/usr/bin:/bin")), 127, "",
         "mtctl: cannot run no-such-program: No such file or directory\n")
    says(run("run", "--", "/etc/passwd"), 126, "", "mtctl: cannot run /etc/passwd: Permission denied\n")
    equal(run("run", "--", "sh", "-c", "exit 9").status, 9)


@fact
def run_finds_an_installed_library():
    with Place() as place:
        for dir in ("bin", "lib/mtpreload"):
            os.makedirs(os.path.join(place.path, dir))
        tool = shutil.copy(MTCTL, os.path.join(place.path, "bin"))
        installed = os.path.join(place.path, "lib/mtpreload/libmtpreload.so")
        missing = ("mtctl: libmtpreload.so is neither beside mtctl nor in "
                   "../lib/mtpreload/libmtpreload.so from there (MTPRELOAD_LIB=PATH names it)\n")
        says(run("run", "--", "true", binary=tool), 3, "", missing)
        shutil.copy(LIB, installed)
        says(run("run", "--", *SHOW, binary=tool), 0, f"{installed}||||\n")
        beside = shutil.copy(LIB, os.path.join(place.path, "bin"))
        says(run("run", "--", *SHOW, binary=tool), 0, f"{beside}||||\n")


@fact
def run_takes_the_library_that_the_environment_names():
    with Place() as place:
        copy = shutil.copy(LIB, place.path)
        env = clean(MTPRELOAD_LIB=copy)
        says(run("run", "--", *SHOW, env=env), 0, f"{copy}||||\n")
        says(run("run", "--", *SHOW, env=clean(MTPRELOAD_LIB="libmtpreload.so"), cwd=place.path), 0,
             f"{copy}||||\n")
        with Program([MTCTL, "run", "--", *SLEEP], env=dict(env, MTPRELOAD_DIR=place.run)) as program:
            info = json.loads(run("-s", path_of(place, program), "-j", "mt.info").out)
            equal(info["environment"], [])
        says(run("run", "--", "true", env=clean(MTPRELOAD_LIB="/nonexistent")), 3, "",
             "mtctl: MTPRELOAD_LIB=/nonexistent: No such file or directory\n")


@fact
def run_refuses_a_path_that_the_loader_would_cut():
    for name in ("a b", "a:b"):
        with Place() as place:
            os.mkdir(os.path.join(place.path, name))
            copy = shutil.copy(LIB, os.path.join(place.path, name))
            says(run("run", "--", "true", env=clean(MTPRELOAD_LIB=copy)), 2, "",
                 f"mtctl: LD_PRELOAD cannot hold '{copy}', which has a blank or a colon in it "
                 "(MTPRELOAD_LIB=PATH names a copy elsewhere)\n")


run_facts()
