#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long mtctl waits, and what ends it before."""

import json
import os
import signal
import subprocess
import sys
import time

from ctl import Server, clean, freeze, host, isolate, path_of, run, says
from harness import MTCTL, PATIENCE_S, Place, Program, equal, fact, run_facts, wait_for

isolate()


def sleeps(pid):
    """Has mtctl connected, and does it wait now?"""
    fds = f"/proc/{pid}/fd"
    try:
        connected = any(os.readlink(f"{fds}/{fd}").startswith("socket:") for fd in os.listdir(fds) if int(fd) > 2)
        with open(f"/proc/{pid}/stat") as stat:
            return connected and ") S " in stat.read()
    except OSError:
        return False


@fact
def a_stopped_host_is_a_timeout():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        start = time.monotonic()
        says(run("-s", path, "-t", "0.3", "mt.mem_used"), 4, "",
             f"mtctl: process {program.pid} (sleep) did not answer within 0.3 s "
             "(is it stopped? -t SEC waits longer)\n")
        assert time.monotonic() - start >= 0.3
        done = run("-s", path, "-j", "-t", ".1", "mt.mem_used")
        equal((done.status, done.err, json.loads(done.out)["error"]["code"]), (4, "", 4))


@fact
def a_full_queue_is_a_timeout_too():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        filler = ("import socket, sys, time\nkept = []\nwhile True:\n s = socket.socket(socket.AF_UNIX)\n"
                  " s.setblocking(False)\n kept.append(s)\n try: s.connect(sys.argv[1])\n"
                  " except BlockingIOError: break\nprint('full', flush=True)\ntime.sleep(1000)\n")
        with Program([sys.executable, "-c", filler, path], env=clean(),
                     stdout=subprocess.PIPE) as full:
            equal(full.process.stdout.readline(), b"full\n")
            equal(run("-s", path, "-t", "0.2", "mt.mem_used").status, 4)
            equal(run("-p", str(program.pid), "-t", "0.2", "mt.mem_used",
                      env=clean(MTPRELOAD_DIR=place.run)).status, 4)


@fact
def a_given_time_is_the_whole_reply_s():
    with Server() as server:
        def drip(connection):
            while True:
                connection.sendall(b" ")
                time.sleep(0.01)

        def flood(connection):
            while True:
                connection.sendall(b" " * 1_000_000)

        for server.talk in (drip, flood):
            equal(run("-s", server.path, "-t", "0.1", "a.b").status, 4)  # it would never end


@fact
def a_time_of_zero_waits_until_the_host_goes_on():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        with Program([MTCTL, "-s", path, "-t", "0", "mt.mem_used"], env=clean(),
                     stdout=subprocess.PIPE) as waiting:
            wait_for(lambda: sleeps(waiting.pid), "mtctl to wait")
            equal(waiting.process.poll(), None)
            program.process.send_signal(signal.SIGCONT)
            equal(waiting.process.communicate(timeout=PATIENCE_S)[0], b"0\n")
            equal(waiting.process.returncode, 0)


@fact
def ctrl_c_ends_it_as_a_shell_expects():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        freeze(program)
        # Ended by the signal itself, which a shell shows as 130.
        with Program([MTCTL, "-s", path, "-t", "0", "mt.mem_used"], env=clean(),
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as waiting:
            wait_for(lambda: sleeps(waiting.pid), "mtctl to wait")
            equal(waiting.stop(signal.SIGINT), -signal.SIGINT)


run_facts()
