#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What hosts do with their rights: users, capabilities, filters of system calls. Each victim has to behave with the
library as without it, and to obey unless it has shut itself up."""

import os
import re
import resource
import subprocess

from harness import (BEHIND, LIB, MIB, PIPES, TOP, Client, Place, Program, by_root, equal, fact, near, resident, run_facts, victim,
                     wait_for, without_library)
from victims import outcome, same_with_and_without, obeys


@by_root
def all_threads_give_their_rights_up():
    with Place() as place, Program([victim("setuid")], env=place.environment(), **PIPES) as host:
        path = place.wait_socket(host.pid)
        host.tell()
        equal(host.hear(), "uid 65534\n")
        obeys(path)
        host.tell()
        host.finish()
        equal(host.process.returncode, 3)


@by_root
def capabilities_of_a_single_thread_are_what_they_would_be():
    said = same_with_and_without(victim("rights"))
    assert said[1].count("done") >= 6, said
    with Place() as place, Program([victim("rights")], env=place.environment(), **PIPES) as host:
        while host.hear() != "ready\n":
            pass
        obeys(place.wait_socket(host.pid))
        whose = set()
        for task in os.listdir(f"/proc/{host.pid}/task"):
            with open(f"/proc/{host.pid}/task/{task}/status") as status:
                whose.add(tuple(line for line in status
                                if line.startswith(("Uid:", "Gid:", "Groups:", "CapPrm:"))))
        equal(len(whose), 1, whose)
        equal(host.finish(), ("", 0))
    equal(same_with_and_without("setpriv", "--reuid", "65534", "--regid", "65534",
                                "--clear-groups", "id")[0], 0)


@fact
def under_a_filter_of_system_calls_the_host_runs_on():
    for what in ("table", "threads", "sockets"):
        with Place() as place, Program([victim("seccomp"), what], env=place.environment(),
                                       stderr=subprocess.PIPE, **PIPES) as host:
            equal(host.hear(), "runs\n", what)
            names = os.listdir(f"/proc/{host.pid}/task")
            if what == "threads":
                equal(names, [str(host.pid)])
            equal(host.finish(), ("", 0), what)
            equal(place.names(), [], what)


@fact
def a_host_is_not_killed_for_what_only_we_would_call():
    calls = re.findall(r'\{ "(\w+)", SYS_', open(os.path.join(TOP, "tests/host_seccomp.c")).read())
    assert len(calls) > 10, calls
    for call in calls:
        equal(same_with_and_without(victim("seccomp"), "kill", call, line="\n"), (3, "runs\n", ""), call)
        with Place() as place, Program([victim("seccomp"), "kill", call], env=place.environment(), **PIPES) as host:
            equal(host.hear(), "runs\n", call)
            equal(os.listdir(f"/proc/{host.pid}/task"), [str(host.pid)], call)
            equal(host.finish(), ("", 0), call)
            equal(place.names(), [], call)


@fact
def behind_a_harmless_filter_our_thread_tells_how_many_there_were():
    with Place() as place, Program([victim("seccomp"), "namespaces"], env=place.environment(), **PIPES) as host:
        equal(host.hear(), "runs\n")
        obeys(place.wait_socket(host.pid))
        names = [open(f"/proc/{host.pid}/task/{task}/comm").read() for task in os.listdir(f"/proc/{host.pid}/task")]
        assert "mtpreload:1\n" in names, names
        equal(host.finish(), ("", 0))


@fact
def a_host_that_shuts_itself_up_is_left_alone():
    for way, call in ((way, call) for way in ("exit", "kill") for call in ("prctl", "seccomp", "number")):
        argv = [victim("sandbox"), way, call]
        plain = outcome(argv, without_library(), "\n")
        with Place() as place, Program(argv, env=place.environment(), **PIPES) as host:
            obeys(place.wait_socket(host.pid))
            host.tell()
            out, status = host.finish()
            equal((status, out, ""), plain, f"{way} {call}")
            equal(place.names(), [], f"{way} {call}")


@fact
def what_is_held_is_taken_back_before_a_host_shuts_itself_up():
    for call in ("prctl", "seccomp", "number"):
        with Place() as place, Program([victim("sandbox"), "open", call], env=place.environment(), **PIPES) as host, \
                Client(place.wait_socket(host.pid)) as client:
            before = resident(host.pid)
            client.call("mt.mem_alloc", "50m")
            client.call("mt.mem_test_start", "1m", "1m", "10m", 1, 1, "1h")
            client.call("mt.leak_start", rate="1g", size="1m", limit="10m", kind="mmap")
            if not BEHIND:  # others keep some of what was small
                client.send("mt.mem_rnd_alloc 1 1 2g\n")
                wait_for(lambda: resident(host.pid) > before + 100 * MIB, "many small blocks")
            host.tell()
            equal(host.hear(), "shut up\n")
            near(resident(host.pid), before, 5 * MIB, f"by {call}")
            equal(place.names(), [])
            equal(host.finish(), ("", 0))


@fact
def a_host_that_could_not_shut_itself_up_obeys():
    for call in ("prctl", "seccomp", "number"):
        argv = [victim("sandbox"), "refused", call]
        plain = outcome(argv, without_library(), "\n")
        with Place() as place, Program(argv, env=place.environment(), **PIPES) as host:
            place.wait_socket(host.pid)
            host.tell()
            equal(host.hear(), plain[1], call)
            obeys(place.wait_socket(host.pid))
            equal(host.finish(), ("", plain[0]), call)
            equal(place.names(), [], call)


@fact
def a_system_call_has_all_its_arguments():
    script = ("import ctypes, mmap, sys\nlibc = ctypes.CDLL(None)\n"
              "libc.syscall.restype, libc.syscall.argtypes = ctypes.c_long, [ctypes.c_long] * 7\n"
              "file = open(sys.executable, 'rb')\n"
              "at = libc.syscall(9, 0, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, file.fileno(), 4096)\n"
              "file.seek(4096)\nprint(ctypes.string_at(at, 4096) == file.read(4096))\n")
    if os.uname().machine == "x86_64":
        equal(same_with_and_without("/usr/bin/python3", "-c", script), (0, "True\n", ""))


@fact
def asking_what_filters_there_are_disturbs_no_client():
    script = ("import ctypes, sys\nlibc = ctypes.CDLL(None)\nsys.stdin.readline()\n"
              "print(libc.prctl(22, 2, None), libc.syscall(317, 1, 1, None), "
              "libc.syscall(317, 0, 1, None), flush=True)\nsys.stdin.readline()\n")
    if os.uname().machine != "x86_64":
        return
    with Place() as place, Program(["/usr/bin/python3", "-c", script], env=place.environment(),
                                   **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            host.tell()
            equal(host.hear(), "-1 -1 -1\n")
            equal(client.call("mt.mem_used"), 0)
        equal(host.finish(), ("", 0))


@fact
def a_host_that_shuts_itself_up_by_libseccomp_is_left_alone():
    plain = outcome([victim("libseccomp")], without_library(), "\n")
    assert plain[0] == 3 and plain[1].startswith("shut up: 0, "), plain
    with Place() as place, Program([victim("libseccomp")], env=place.environment(), **PIPES) as host:
        obeys(place.wait_socket(host.pid))
        host.tell()
        out, status = host.finish()
        equal((status, out, ""), plain)
        equal(place.names(), [])


@fact
def refusals_that_do_not_matter_do_not_matter():
    for what in ("extras", "namespaces", "rename"):
        with Place() as place, Program([victim("seccomp"), what], env=place.environment(),
                                       **PIPES) as host:
            equal(host.hear(), "runs\n", what)
            obeys(place.wait_socket(host.pid))
            equal(host.finish(), ("", 0), what)
            equal(place.names(), [], what)


@fact
def without_close_range_no_descriptor_of_the_hosts_is_kept_either():
    """One above its limit, which it has lowered since: else the other end of a pipe would never see its end."""
    reader, writer = os.pipe()

    def prepare():
        os.dup2(writer, 300)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 4096))

    with Place() as place, Program([victim("seccomp"), "extras"], env=place.environment(), preexec_fn=prepare,
                                   close_fds=False, **PIPES) as host:
        equal(host.hear(), "runs\n")
        obeys(place.wait_socket(host.pid))
        tasks = {task: os.listdir(f"/proc/{host.pid}/task/{task}/fd") for task in os.listdir(f"/proc/{host.pid}/task")}
        assert "300" in tasks.pop(str(host.pid)), "it has no such descriptor itself"
        (ours,) = tasks.values()
        assert "300" not in ours and len(ours) < 12, ours
        equal(host.finish(), ("", 0))
    os.close(reader)
    os.close(writer)


@by_root
def a_program_with_more_rights_than_its_caller_is_left_alone():
    """The loader ignores a path then, but takes a setuid library of the system's directories: an overlay in a
    mount namespace of our own has one."""
    script = ("set -e; mount -t tmpfs none $1; chmod 755 $1; mkdir $1/upper $1/work; cp $2 $1/upper/; "
              "chmod 4755 $1/upper/libmtpreload.so; d=/usr/lib/x86_64-linux-gnu; "
              "mount -t overlay overlay -o lowerdir=$d,upperdir=$1/upper,workdir=$1/work $d; "
              "cp $3 $1/host; chmod 4755 $1/host; exec env LD_PRELOAD=libmtpreload.so "
              "setpriv --reuid 65534 --regid 65534 --clear-groups $1/host")
    with Place() as place:
        work = os.path.join(place.path, "work")
        os.mkdir(work)
        with Program(["unshare", "-m", "sh", "-c", script, "sh", work, LIB, victim("tls")],
                     env=dict(place.environment(), LD_PRELOAD=""), **PIPES) as host:
            equal(host.hear(), "1\n")
            with open(f"/proc/{host.pid}/maps") as maps:
                assert "/libmtpreload.so" in maps.read(), "the loader has left it out"
            equal(os.listdir(f"/proc/{host.pid}/task"), [str(host.pid)])
            equal(host.finish(), ("", 0))
        equal(place.names(), [])


run_facts()
