#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hosts in namespaces and roots of their own: they come in as without the library, and obey there too."""

import json
import os
import subprocess

from harness import (BEHIND, LIB, MIB, MTCTL, PATIENCE_S, PIPES, Client, Place, Program, by_root, equal, fact, mtctl, near, resident,
                     run_facts, value, victim, wait_for, without_library)
from matrix import difference
from victims import abstract, connects, is_nameless, obeys, outcome, own_directory, same_with_and_without, wait_name

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000


@fact
def calls_that_want_a_single_thread_are_granted():
    code, out, _ = same_with_and_without(victim("alone"), line="\n")
    equal(code, 0)
    assert "lives on: done" in out, out


@fact
def a_host_in_a_new_user_namespace_obeys_whom_it_can_tell_apart():
    with Place() as place, Program(["unshare", "-Ur", "sh", "-c", "echo ready; read line"],
                                   env=place.environment(), **PIPES) as host:
        equal(host.hear(), "ready\n")
        if os.getuid() == 0:
            obeys(place.wait_socket(host.pid))
        host.tell()
        equal(host.finish(), ("", 0))
        equal(place.names(), [])


@fact
def a_host_whose_user_has_no_number_has_no_name():
    """Nobody could be told apart. What it holds goes, since nobody could take it back any more."""
    with Place() as place, Program(["/usr/bin/python3", "-c",
                                    "import ctypes, sys\nlibc = ctypes.CDLL(None)\nsys.stdin.readline()\n"
                                    f"print(libc.unshare({CLONE_NEWUSER}), flush=True)\nsys.stdin.readline()\n"],
                                   env=place.environment(), **PIPES) as host:
        path = place.wait_socket(host.pid)
        before = resident(host.pid)
        mtctl(path, "mt.mem_alloc", "50m")
        host.tell()
        equal(host.hear(), "0\n")
        wait_for(lambda: resident(host.pid) < before + 8 * MIB, "what it held to go")
        is_nameless(place, host.pid)
        host.tell()
        equal(host.finish(), ("", 0))


@by_root
def a_host_gets_its_signals_while_what_it_holds_is_taken_back_on_its_thread():
    with Place() as place, Program([victim("takes_back")], env=place.environment(), **PIPES) as host:
        mtctl(place.wait_socket(host.pid), "mt.mem_rnd_alloc", "1", "64", "64m")
        host.tell()
        equal(host.finish(), ("unshare 0, a handler ran meanwhile 1, held 0\n", 0))


@fact
def a_host_and_its_child_obey_where_children_are_to_have_another_pid_namespace():
    """The kernel then lets the host have no more threads, so that it keeps the one of ours that it has; or, where
    that would be in the way, has none. Its child, the first one in there, may have some."""
    alone = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER
    for flags in (CLONE_NEWPID, CLONE_NEWPID | CLONE_NEWNS, alone) if os.getuid() == 0 else ():
        script = (f"import ctypes, os, sys\nsys.stdin.readline()\nassert ctypes.CDLL(None).unshare({flags}) == 0\n"
                  "if os.fork() == 0:\n    print('child', flush=True)\n    sys.stdin.readline()\n    os._exit(0)\n"
                  "print(os.wait()[1], flush=True)\n")
        with Place() as place, Program(["/usr/bin/python3", "-c", script], env=place.environment(), **PIPES) as host:
            path = place.wait_socket(host.pid)
            obeys(path)
            before = resident(host.pid)
            mtctl(path, "mt.mem_alloc", "50m")
            host.tell()
            equal(host.hear(), "child\n")
            if flags == alone:  # there are no users, so nobody can be told apart
                near(resident(host.pid), before, 8 * MIB, "taken back, since nobody can ask for it any more")
            else:
                obeys(place.wait_socket(1))
                obeys(place.socket(host.pid))
            host.tell()
            equal(host.hear(), "0\n")
            equal(host.finish(), ("", 0))
            equal(place.names(), [])


@by_root
def processes_of_one_pid_in_one_directory_have_a_name_each():
    """As those of containers that share a volume."""
    inside = ["unshare", "-pf", "--kill-child", "env", f"LD_PRELOAD={LIB}", "sleep", "1000"]
    with Place() as place:
        env = {**place.environment(), "LD_PRELOAD": ""}
        with Program(inside, env=env):
            first = place.wait_socket(1)
            with Program(inside, env=env):
                second = wait_for(lambda: [name for name in place.names() if name == "mtpreload.1.2.sock"],
                                  "the second one's name")[0]
                mtctl(first, "mt.mem_alloc", "1m")
                equal(value(os.path.join(place.run, second), "mt.mem_used"), 0)
                listed = subprocess.run([MTCTL, "ls", "-j"], env=env, capture_output=True, check=True).stdout
                held = {i["socket"]: i["held"] for i in json.loads(listed) if i["socket"].startswith(place.run)}
                equal(held, {first: MIB, os.path.join(place.run, second): 0})


def has_number(pid):
    """Is any uid mapped in its user namespace?"""
    with open(f"/proc/{pid}/uid_map") as uids:
        return bool(uids.read())


def said_at_all_points(place, env, watched):
    """What host_points says, in an empty directory. Where it waits, our thread is given all the time that it needs."""
    directory = own_directory(place)
    said = []
    with Program([victim("points")], env=env, cwd=directory, stderr=subprocess.STDOUT, **PIPES) as host:
        for line in host.process.stdout:
            word, *pid = line.split()
            if word != "ready":
                said.append(line.replace(place.path, "PLACE"))
                continue
            if watched and has_number(int(pid[0])):
                wait_name(place, int(pid[0]))
            elif watched:
                is_nameless(place, int(pid[0]))
            host.tell()
        said.append(host.process.wait(PATIENCE_S))
    equal(os.listdir(directory), [])
    return said


@fact
def nothing_that_a_host_can_see_is_changed_where_our_thread_stops_and_starts():
    with Place() as place:
        plain = said_at_all_points(place, without_library(), False)
    with Place() as place:
        os.chmod(place.run, 0o777)  # who has given up their rights is to take their name along
        watched = said_at_all_points(place, place.environment(), True)
        assert watched == plain, difference(plain, watched)
        equal(place.names(), [])
    equal(plain[-1], 7)


@by_root
def what_is_held_survives_a_change_of_namespace():
    with Place() as place, Program(["/usr/bin/python3", "-c",
                                    "import ctypes, sys\nlibc = ctypes.CDLL(None)\nsys.stdin.readline()\n"
                                    "print(libc.unshare(0x20000), flush=True)\nsys.stdin.readline()\n"],
                                   env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", "5m")
            test = client.call("mt.mem_test_start", "1k", "1k", "1m", 1, 1, "1h")
            host.tell()
            equal(host.hear(), "0\n")
            equal(client.socket.recv(10), b"", "its clients have to connect again")
        with Client(place.wait_socket(host.pid)) as client:
            before = client.call("mt.mem_test_list", test)[0]["allocations"]
            wait_for(lambda: client.call("mt.mem_test_list", test)[0]["allocations"] > before,
                     "the test to go on")
            assert client.call("mt.reset") >= 5 * MIB
        host.tell()
        equal(host.finish(), ("", 0))
        equal(place.names(), [])


@by_root
def a_host_in_an_empty_root_has_an_abstract_name():
    with Place() as place:
        root = os.path.join(place.path, "root")
        os.mkdir(root)
        equal(outcome([victim("chroot"), root], without_library()), (0, "in an empty root\n", ""))
        with Program([victim("chroot"), root], env=place.environment(), **PIPES) as host:
            equal(host.hear(), "in an empty root\n")
            wait_for(lambda: connects(abstract(host.pid)), "its abstract name")
            equal(obeys(abstract(host.pid)), host.pid)
            with Client(abstract(host.pid)) as client:
                equal(client.call("mt.info")["socket"], f"@mtpreload.{host.pid}")
            equal(host.finish(), ("", 0))
        equal((place.names(), os.listdir(root)), ([], []))
        assert not connects(abstract(host.pid))


# The library starts there, from a copy, since it may itself be below what is covered.
UNWRITABLE = ("set -e; mount -t tmpfs none /run; cp $1 /run/; mount -o remount,ro /run; mount -t tmpfs -o ro none /tmp; "
              "exec env LD_PRELOAD=\"/run/libmtpreload.so $2\" sh -c 'echo ready; read line; exit 4'")


def no_directory(*spaces):
    """A host without a directory for its name, in these namespaces."""
    env = {k: v for k, v in without_library().items() if k not in ("XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY")}
    return Program(["unshare", "-m", *spaces, "sh", "-c", UNWRITABLE, "sh", LIB, BEHIND or ""], env=env, **PIPES)


@by_root
def processes_of_one_pid_and_one_network_have_an_abstract_name_each():
    with no_directory("-pf", "--kill-child") as one, no_directory("-pf", "--kill-child") as two:
        names = ["@mtpreload.1", "@mtpreload.1.2"]
        for host in (one, two):
            equal(host.hear(), "ready\n")
        for name in names:
            wait_for(lambda name=name: connects("\0" + name[1:]), name)
            equal(value(name, "mt.info")["socket"], name)
        mtctl(names[0], "mt.mem_alloc", "1m")
        listed = json.loads(subprocess.run([MTCTL, "ls", "-j"], env=without_library(), capture_output=True, check=True).stdout)
        equal({i["socket"]: i["held"] for i in listed if i["socket"] in names}, dict(zip(names, (MIB, 0))))
        for name in names:
            pid = [i["pid"] for i in listed if i["socket"] == name][0]
            done = subprocess.run([MTCTL, "-p", str(pid), "mt.reset"], env=without_library(), capture_output=True, text=True, check=True)
            equal(done.stdout, f"{MIB if name == names[0] else 0}\n")
        for host in (one, two):
            host.tell()
            equal(host.finish(), ("", 4))


@by_root
def where_nothing_can_be_written_the_name_is_abstract():
    with no_directory() as host:
        equal(host.hear(), "ready\n")
        wait_for(lambda: connects(abstract(host.pid)), "its abstract name")
        equal(obeys(abstract(host.pid)), host.pid)
        name = f"@mtpreload.{host.pid}"
        mtctl(name, "mt.mem_alloc", "1m")
        equal(value(name, "mt.mem_used"), MIB)
        equal(value(name, "mt.info")["socket"], name)
        mtctl(name, "mt.reset")
        host.tell()
        equal(host.finish(), ("", 4))
    assert not connects(abstract(host.pid))


run_facts()
