#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Other preloaded libraries that tell a program other things than the kernel: who it is, what time it is, what becomes of
its calls. Beside each of them, before it and behind it, we serve as we do without, and the host is told what it is told."""

import os
import shutil
import subprocess
import sys
import time

from harness import (LIB, MIB, MTCTL, PATIENCE_S, PIPES, Client, Place, Program, equal, fact, library, run_facts, victim,
                     wait_for)
from victims import obeys

USER = 1000
FROZEN = {"FAKETIME": "2020-01-01 00:00:00"}
TENFOLD = {"FAKETIME": "+0 x10"}


FAKETIME = library("faketime/libfaketimeMT.so.1")
UIDS = library("libuid_wrapper.so")
SOCKETS = library("libsocket_wrapper.so")
FIU = [library("fiu/fiu_run_preload.so"), library("fiu/fiu_posix_preload.so")]
FAKEROOT = library("libfakeroot/libfakeroot-*.so")


def both_orders(place, *others, **settings):
    """The environment with these libraries before us, then behind us."""
    for preloads in ((*others, LIB), (LIB, *others)):
        yield {**place.environment(), "LD_PRELOAD": " ".join(preloads), **settings}


def serves(argv, *others, **settings):
    with Place() as place:
        for env in both_orders(place, *others, **settings):
            with Program(argv, env=env, **PIPES) as host:
                obeys(place.wait_socket(host.pid))


@fact
def we_call_nothing_that_another_preloaded_library_wraps():
    def symbols(which, path):
        done = subprocess.run(["nm", "-D", which, path], capture_output=True, text=True, check=True)
        return {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}
    ours = symbols("--undefined-only", LIB)
    assert {"pthread_create", "dlsym"} <= ours, ours
    for path in (FAKETIME, UIDS, SOCKETS, *FIU, FAKEROOT):
        # The wrapper of that one starts a thread all the same; it sees to the ids that it gives the program.
        equal(ours & symbols("--defined-only", path) - {"pthread_create"}, set(), path)


@fact
def a_user_who_believes_to_be_root_is_let_in():
    """fakeroot, of an ordinary user, who then asks as who he is."""
    as_user = dict(user=USER, group=USER, extra_groups=[]) if os.geteuid() == 0 else {}
    with Place() as place:
        host, preload, tool = (shutil.copy(path, place.path) for path in (victim("address"), LIB, MTCTL))
        os.mkdir(place.path + "/mine", 0o700)
        if as_user:
            os.chown(place.path + "/mine", USER, USER)
        env = {**place.environment(only="host_address"), "LD_PRELOAD": preload, "MTPRELOAD_DIR": place.path + "/mine",
               "HOME": place.path}
        with Program(["fakeroot", "sh", "-c", 'id -u; echo $$; exec "$0"', host], env=env, **PIPES, **as_user) as program:
            equal(program.hear(), "0\n")
            path = f"{place.path}/mine/mtpreload.{int(program.hear())}.sock"
            equal(program.hear(), "ready\n")
            wait_for(lambda: os.path.exists(path), path)
            done = subprocess.run([tool, "-s", path, "mt.mem_used"], capture_output=True, text=True, timeout=PATIENCE_S,
                                  **as_user)
            equal((done.stdout, done.stderr), ("0\n", ""))
            program.finish()


@fact
def ids_of_the_librarys_own_are_not_ours():
    serves([victim("address")], UIDS, UID_WRAPPER="1", UID_WRAPPER_ROOT="1")
    with Place() as place:
        for env in both_orders(place, UIDS, UID_WRAPPER="1", UID_WRAPPER_ROOT="1"):
            done = subprocess.run([sys.executable, "-c", "import os\nos.setuid(4711)\nprint(os.getuid())"], env=env,
                                  capture_output=True, text=True, timeout=PATIENCE_S)
            equal((done.stdout, done.stderr, done.returncode), ("4711\n", "", 0))


# Many sockets, so that some have the numbers that our thread's descriptors have in its own table.
MANY_SOCKETS = """
import socket
all = [socket.socket() for _ in range(60)]
for i, s in enumerate(all):
    s.bind(("127.0.0.9", 2000 + i))
    s.listen()
print("bound", flush=True)
input()
print(sum(s.getsockname() == ("127.0.0.9", 2000 + i) for i, s in enumerate(all)))
"""


@fact
def what_it_notes_of_the_hosts_sockets_stays():
    with Place() as place:
        directory = os.path.join(place.path, "sockets")
        for env in both_orders(place, SOCKETS, SOCKET_WRAPPER_DIR=directory, SOCKET_WRAPPER_DEFAULT_IFACE="9"):
            os.mkdir(directory, 0o700)
            with Program([sys.executable, "-c", MANY_SOCKETS], env=env, **PIPES) as host:
                equal(host.hear(), "bound\n")
                path = place.wait_socket(host.pid)
                for _ in range(3):
                    clients = [Client(path) for _ in range(20)]
                    for client in clients:
                        equal(client.call("mt.mem_used"), 0)
                        client.socket.close()
                obeys(path)
                host.tell()
                equal(host.hear(), "60\n")
                equal(host.finish(), ("", 0))
            shutil.rmtree(directory)


@fact
def where_time_stands_still_for_the_host_ours_goes_on():
    with Place() as place:
        for env in both_orders(place, FAKETIME, **FROZEN):
            with Program([sys.executable, "-c", "import time\nprint(time.gmtime().tm_year, flush=True)\ninput()"], env=env,
                         **PIPES) as host:
                assert int(host.hear()) <= 2020  # where it is midnight has yet to come west of Greenwich
                with Client(place.wait_socket(host.pid)) as client:
                    client.call("mt.mem_test_start", 1, 1, 10, 1, 1, 3600000)
                    client.call("mt.mem_alloc", "1m")
                    wait_for(lambda: client.call("mt.mem_test_list")[0]["allocations"] > 10, "a test's calls")
                    now = client.call("core.uptime")["now"]
                    assert now > 1600000000, now
                    client.call("mt.lease", 100)
                    wait_for(lambda: client.call("mt.mem_used") == 0, "the end of a lease")
                    client.call("mt.mem_trim")


@fact
def where_time_runs_for_the_host_ours_keeps_its_pace():
    """What has come by then is compared with the time that has passed here: slowness of the machine does no harm."""
    with Place() as place:
        for env in both_orders(place, FAKETIME, **TENFOLD):
            with Program([victim("address")], env=env, **PIPES) as host, Client(place.wait_socket(host.pid)) as client:
                start = time.monotonic()
                client.call("mt.mem_test_start", 1, 1, 1000, 20, 20, 3600000)
                client.call("mt.leak_start", rate=MIB, size=1024)
                client.call("mt.lease", 3600000)

                def calls_and_leaked():
                    leak, test = client.call("mt.mem_test_list")
                    return (test["allocations"], leak["held"]) if test["allocations"] > 25 else None
                calls, leaked = wait_for(calls_and_leaked, "26 calls")
                left_ms = client.call("mt.status")["lease_ms_left"]
                passed_s = time.monotonic() - start
                assert calls <= passed_s / 0.02 + 1, (calls, passed_s)
                assert leaked <= passed_s * MIB + 1024, (leaked, passed_s)
                assert left_ms >= 3600000 - passed_s * 1000 - 1, (left_ms, passed_s)


@fact
def failures_of_the_hosts_calls_are_not_ours():
    """Every call that libfiu has a failure for in the host fails there, of files, sockets, memory and processes."""
    fails = "\n".join(f"enable name=posix/{group}/*" for group in ("io", "mm", "proc"))
    serves([victim("address")], *FIU, FIU_ENABLE=fails, FIU_CTRL_FIFO="")
    with Place() as place:  # as its user starts it
        argv = ["fiu-run", "-x", "-f", "", "-c", "enable name=posix/io/*", "env", f"LD_PRELOAD={' '.join([*FIU, LIB])}",
                victim("address")]
        with Program(argv, env={**place.environment(), "LD_PRELOAD": ""}, **PIPES) as host:
            obeys(place.wait_socket(host.pid))


run_facts()
