#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A name is there exactly while it is served: not before, not when nobody can be let in, and again when it was removed."""

import os
import platform
import resource
import shutil
import signal
import socket
import sys
import time

from ctl import INSTALL, name_of
from harness import (LIB, MIB, PATIENCE_S, PIPES, Client, Place, Program, by_root, equal, fact, need, run_facts, wait_for,
                     without_library)
from victims import connects, obeys, switches

USER = 1000


def answers(path):
    """Is whoever has the name served? One that goes meanwhile is none."""
    try:
        with Client(path) as client:
            client.socket.settimeout(20)
            return client.call("mt.mem_used") == 0
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
        return True
    except AssertionError:  # it was hung up on, which is an answer as well
        return True


def each_name_is_served(place, seconds=1):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in place.names():
            assert answers(os.path.join(place.run, name)), f"{name} listens and is not served"
        time.sleep(0.02)


# Makes a limit too small at once; raises it at a line.
SHORT = """
import ctypes, resource, sys
def vm():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * 4096
{before}
limit, value = resource.{limit}, {value}
hard = resource.getrlimit(limit)[1]
resource.setrlimit(limit, (value, hard))
print("short", flush=True)
sys.stdin.readline()
resource.setrlimit(limit, (hard, hard))
print("raised", flush=True)
sys.stdin.readline()
"""


def comes_with_the_limit(argv, script):
    with Place() as place, Program([*argv, "/usr/bin/python3", "-c", script], env=place.environment(), **PIPES) as host:
        equal(host.hear(), "short\n")
        each_name_is_served(place)
        host.tell()
        equal(host.hear(), "raised\n")
        obeys(wait_for(lambda: [os.path.join(place.run, name) for name in place.names()], "a name")[0])
        host.tell()
        equal(host.finish(), ("", 0))
        equal(place.names(), [])


@fact
def without_address_space_there_is_no_name_until_there_is_some():
    comes_with_the_limit([], SHORT.format(limit="RLIMIT_AS", value="vm() + (1 << 20)", before=""))


@by_root
def without_memory_to_lock_there_is_no_name_until_there_is_some():
    most = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    need(most < 0 or most >= 8 * MIB, "the limit of locked memory cannot be raised")
    argv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    comes_with_the_limit(argv, SHORT.format(limit="RLIMIT_MEMLOCK", value="1 << 20",
                                            before="assert ctypes.CDLL(None).mlockall(2) == 0"))


@fact
def without_descriptors_there_is_no_name_until_there_are_some():
    for limit in range(4, 12):
        with Place() as place, Program(["sh", "-c", f"ulimit -Sn {limit}; exec sleep 1000"],
                                       env=place.environment(only="sleep")) as host:
            wait_for(lambda: open(f"/proc/{host.pid}/comm").read() == "sleep\n", "exec")
            each_name_is_served(place, 0.3)
            assert not connects(f"\0mtpreload.{host.pid}") or answers(f"@mtpreload.{host.pid}"), limit
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (1024, 4096))
            obeys(place.wait_socket(host.pid))


@fact
def a_name_is_withdrawn_while_nobody_can_be_let_in():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (3, 4096))
        assert answers(path), "a client waits for ever"
        wait_for(lambda: place.names() == [], "the name to go")
        resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (1024, 4096))
        obeys(place.wait_socket(host.pid))


@fact
def a_name_that_was_removed_is_bound_again():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", "1m")
            for _ in range(3):
                os.unlink(place.socket(host.pid))
                path = place.wait_socket(host.pid)
                with Client(path) as other:
                    equal(other.call("mt.mem_used"), 1 << 20)
                equal(client.call("mt.info")["socket"], path, "who was there stays")


def rests(pid):
    before = switches(pid)
    time.sleep(0.2)
    return switches(pid) == before


# fcntl(F_NOTIFY) is refused, as where fs.dir-notify-enable is 0.
UNTOLD = INSTALL + """
import os, struct
line = lambda code, yes, no, value: struct.pack("=HBBI", code, yes, no, value)
install(line(0x20, 0, 0, 0) + line(0x15, 0, 3, 72) + line(0x20, 0, 0, 24) + line(0x15, 0, 1, 1026) +
        line(6, 0, 0, 0x00050016) + line(6, 0, 0, 0x7fff0000), 0)
os.execvp("sleep", ["sleep", "1000"])
"""


@fact
def a_name_that_was_removed_is_bound_again_where_the_kernel_tells_nobody():
    need(platform.machine() == "x86_64", "the filter has the numbers of x86-64")
    with Place() as place, Program([sys.executable, "-c", UNTOLD], env=place.environment()) as host:
        place.wait_socket(host.pid)
        wait_for(lambda: name_of(host) == "sleep" and connects(place.socket(host.pid)), "the program's own name")
        wait_for(lambda: rests(host.pid), "our thread's sleep")
        os.unlink(place.socket(host.pid))
        obeys(place.wait_socket(host.pid))


def remove_directory(place):
    """A name may come back while it is being emptied."""
    def is_gone():
        for name in place.names():
            os.unlink(os.path.join(place.run, name))
        try:
            os.rmdir(place.run)
            return True
        except OSError:
            return False
    wait_for(is_gone, "an empty directory")


@fact
def a_name_is_bound_again_when_its_directory_was_removed():
    with Place() as place:
        os.rmdir(place.run)
        with Program(["sleep", "1000"], env=place.environment()) as host:
            for _ in range(3):
                place.wait_socket(host.pid)
                equal(os.stat(place.run).st_mode & 0o7777, 0o700)
                remove_directory(place)
                obeys(place.wait_socket(host.pid))


@fact
def a_stop_in_a_directory_that_was_made_again_is_obeyed():
    with Place() as place:
        os.rmdir(place.run)
        with Program(["sleep", "1000"], env=place.environment()) as host:
            place.wait_socket(host.pid)
            remove_directory(place)
            with Client(place.wait_socket(host.pid)) as client:
                open(os.path.join(place.run, "STOP"), "w").close()
                equal(client.refusal("mt.mem_alloc", "1m")[0], 403)


@fact
def names_of_others_wake_nobody_each_time():
    """A name that goes may be ours; so our thread looks, and then not for a while."""
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        place.wait_socket(host.pid)
        before, begin = switches(host.pid), time.monotonic()
        for number in range(1000):
            path = os.path.join(place.run, str(number))
            open(path, "w").close()
            os.unlink(path)
        seconds = time.monotonic() - begin
        assert switches(host.pid) - before <= 4 + 2 * seconds, (switches(host.pid) - before, seconds)


# The first process of a pid namespace has a child that is the first of another, by the system call alone.
FIRST_OF_FIRST = """
import ctypes, os, signal, sys
number = dict(x86_64=56, aarch64=220)[os.uname().machine]
libc = ctypes.CDLL(None)
sys.stdin.readline()
child = libc.syscall(number, 0x20000000 | signal.SIGCHLD, 0, 0, 0, 0)
if child == 0:
    libc._exit(os.getpid())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
sys.stdin.readline()
"""


@by_root
def a_child_of_the_same_pid_leaves_the_name_alone():
    with Place() as place, Program(["unshare", "-pf", "--kill-child", "env", f"LD_PRELOAD={LIB}", "/usr/bin/python3", "-c",
                                    FIRST_OF_FIRST], env=dict(place.environment(), LD_PRELOAD=""), **PIPES) as host:
        path = place.wait_socket(1)
        name = os.stat(path).st_ino
        host.tell()
        equal(host.hear(), "1\n")
        equal(os.stat(path).st_ino, name)
        obeys(path)
        host.tell()
        equal(host.finish(), ("", 0))


def state(pid):
    """Of the whole process: a stop holds all of its threads."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


@fact
def a_name_that_others_removed_while_its_process_was_stopped_is_bound_again():
    """They take a name with a dot for dead that has not listened for ten seconds. Another of that pid, in another pid
    namespace, may have bound it by then."""
    need(shutil.which("strace"), "there is no strace")
    for taken in (False, True):
        with Place() as place, socket.socket(socket.AF_UNIX) as other:
            env = [f"{key}={value}" for key, value in place.environment().items() if key != "PATH"]
            argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bind", "-e", "inject=bind:signal=SIGSTOP:when=1", "env",
                    *env, "cat"]
            with Program(argv, env=without_library(), **PIPES):
                hidden = os.path.join(place.run, wait_for(place.names, "its name with a dot")[0])
                pid = int(hidden.split(".")[-2])
                wait_for(lambda: state(pid) in "tT", "it to be stopped behind bind")
                os.unlink(hidden)
                if taken:
                    other.bind(hidden)
                    os.chmod(hidden, 0o600)
                    other.listen()
                os.kill(pid, signal.SIGCONT)
                with Client(place.wait_socket(pid)) as client:
                    client.socket.settimeout(PATIENCE_S)
                    equal(client.call("mt.info")["pid"], pid)
                assert not taken or os.path.exists(hidden), "another's name was taken"


run_facts()
