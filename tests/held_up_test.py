#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Our thread is held up in the kernel, by a frozen file system or a control group without an OOM killer: the host goes on, and
so does our thread once it can. Whatever holds it up is undone, also where a test fails or the host hangs."""

import contextlib
import os
import shutil
import subprocess
import threading

from harness import MIB, PIPES, Client, MemoryGroup, Place, Program, by_root, equal, need, run_facts, wait_for

CLONE_NEWNS = 0x20000
PR_CAPBSET_DROP, CAP_AUDIT_READ = 24, 37
WATCHDOG_S = 60  # so long a host that hangs keeps the test from undoing what holds it up
IMAGE_BYTES = 16 * MIB

# Does what its lines say, and tells when it is done. Its children end at once: their own thread would be held up, too.
HOST = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None)
deeds = dict(fork=lambda: os.fork() or os._exit(0), unshare=lambda: libc.unshare({CLONE_NEWNS}),
             alloc=lambda: libc.mt_mem_alloc(ctypes.c_size_t(4096)), exit=lambda: libc.exit(0), _exit=lambda: os._exit(0),
             quick_exit=lambda: libc.quick_exit(0), drop=lambda: libc.prctl({PR_CAPBSET_DROP}, {CAP_AUDIT_READ}, 0, 0, 0))
for line in sys.stdin:
    done = deeds[line.strip()]()
    print("forked" if line == "fork\\n" else done, flush=True)
"""


class Hold:
    """What holds our thread up, until the block is left or the watchdog barks."""

    def __init__(self, begin, end):
        self.begin, self.end, self.over = begin, end, threading.Event()
        self.watchdog = threading.Timer(WATCHDOG_S, self.release)

    def release(self):
        self.over.set()
        self.end()

    def __enter__(self):
        self.watchdog.start()
        self.begin()
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.watchdog.join()
        if not self.over.is_set():
            self.release()


def frozen(mount):
    return Hold(lambda: subprocess.run(["fsfreeze", "-f", mount], check=True),
                lambda: subprocess.run(["fsfreeze", "-u", mount], check=True))


@contextlib.contextmanager
def file_system(path):
    """One of its own, which nobody else writes to."""
    need(shutil.which("mkfs.ext4") and shutil.which("fsfreeze"), "there is no mkfs.ext4 or no fsfreeze")
    image, mount = path + ".image", path
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    os.mkdir(mount)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, mount], stderr=subprocess.PIPE, text=True)
    need(mounted.returncode == 0, f"nothing can be mounted by loop devices here: {mounted.stderr.strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


def our_threads(pid):
    """Their numbers and states."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/stat") as stat:
            name, state = stat.read().split("(", 1)[1].rsplit(")", 1)
        if name.startswith("mtpreload"):
            found.append((int(tid), state.split()[0]))
    return found


def is_held_up(pid):
    return [state for _, state in our_threads(pid)] == ["D"]


def is_one_at_most(pid, what):
    """A thread has our name only a moment after it has begun; the host has one thread, which is not ours."""
    count = len(os.listdir(f"/proc/{pid}/task")) - 1
    assert count <= 1, f"{count} threads of ours after {what}"


def host_goes_on(host, hold):
    """Its calls return while our thread is held up, and there is never a second thread of ours."""
    wait_for(lambda: hold.over.is_set() or is_held_up(host.pid), "our thread to be held up")
    for deed, answer in [("alloc", "0"), ("fork", "forked"), ("unshare", "0"), ("fork", "forked"), ("unshare", "0"),
                         ("alloc", "0")]:
        host.tell(deed + "\n")
        equal(host.hear(), answer + "\n", deed)
        is_one_at_most(host.pid, deed)
    assert not hold.over.is_set(), "the host went on only when our thread was not held up any more"


def both_go_on(host, client):
    """Afterwards."""
    host.tell("fork\n")
    equal(host.hear(), "forked\n")
    host.tell("unshare\n")
    equal(host.hear(), "0\n")
    is_one_at_most(host.pid, "all that")
    equal(client.socket.recv(1), b"", "our thread ended and began for unshare, and its clients have to connect again")


def answers(place, host):
    with Client(place.wait_socket(host.pid)) as client:
        client.call("mt.reset")
        equal(client.call("mt.mem_used"), 0)


@contextlib.contextmanager
def host_with(place, **settings):
    with Program(["/usr/bin/python3", "-c", HOST], env=place.environment(**settings), **PIPES) as host:
        yield host


@contextlib.contextmanager
def host_that_logs(place):
    """Its log lies in a small file system. With that, the log's path, the host, and a client."""
    with file_system(os.path.join(place.path, "small")) as mount:
        log = os.path.join(mount, "log")
        with host_with(place, log=log) as host, Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", "4k")
            yield mount, log, host, client


@by_root
def a_host_goes_on_while_a_line_waits_for_a_frozen_log():
    with Place() as place, host_that_logs(place) as (mount, log, host, client):
        with frozen(mount) as hold:
            client.send("mt.mem_alloc 8k\n")
            host_goes_on(host, hold)
        equal(client.until(b"\n\n"), "200 OK")
        equal(client.call("mt.info")["held_up"], 2)
        with open(log) as file:
            lines = file.read()
        assert " mt.mem_alloc 8k by pid " in lines, lines
        assert "held up in the kernel: 2 calls of the host's went on beside it" in lines, lines
        both_go_on(host, client)
        answers(place, host)


def begins_again(host):
    """By a call of the C API, though not within a tenth of a second."""
    host.tell("alloc\n")
    equal(host.hear(), "0\n")
    return our_threads(host.pid)


@by_root
def nothing_is_done_with_rights_that_the_host_gave_up_while_a_line_waited():
    """The order to end stands: our thread has what the host has no more, and obeys nobody until it has ended."""
    with Place() as place, host_that_logs(place) as (mount, log, host, client):
        with frozen(mount) as hold:
            client.send("mt.mem_alloc 8k\nmt.mem_alloc 16k\n")
            wait_for(lambda: hold.over.is_set() or is_held_up(host.pid), "our thread to be held up")
            host.tell("drop\n")
            equal(host.hear(), "0\n")
            assert not hold.over.is_set(), "the host went on only when our thread was not held up any more"
        wait_for(lambda: not our_threads(host.pid), "its end")
        with open(log) as file:
            lines = file.read()
        assert " mt.mem_alloc 8k by pid " in lines and " mt.mem_alloc 16k by pid " not in lines, lines
        said = client.socket.recv(65536)
        assert not said or said.startswith(b"403 mt.mem_alloc refused"), said
        wait_for(lambda: begins_again(host), "another thread of ours")
        answers(place, host)


@by_root
def a_host_goes_on_while_a_log_is_opened_on_what_is_frozen():
    with Place() as place, file_system(os.path.join(place.path, "small")) as mount, \
            host_with(place) as host, Client(place.wait_socket(host.pid)) as client:
        with frozen(mount) as hold:
            client.send(f"cfg.set_now_string malloc_test log {mount}/log\n")
            host_goes_on(host, hold)
        equal(client.until(b"\n\n"), "200 OK")
        both_go_on(host, client)
        answers(place, host)
        assert os.path.exists(f"{mount}/log")


@by_root
def a_host_goes_on_while_its_name_waits_for_a_frozen_directory():
    with Place() as place, file_system(os.path.join(place.path, "small")) as mount:
        env = dict(place.environment(), MTPRELOAD_SOCKET=f"{mount}/%p.sock")
        with contextlib.ExitStack() as ends:
            with frozen(mount) as hold:
                host = ends.enter_context(Program(["/usr/bin/python3", "-c", HOST], env=env, **PIPES))
                host_goes_on(host, hold)
            path = f"{mount}/{host.pid}.sock"
            wait_for(lambda: os.path.exists(path), "its name")
            with Client(path) as client:
                client.call("mt.reset")


def main_thread_has_ended(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "Z"


@by_root
def a_host_ends_while_its_name_cannot_be_removed():
    """The kernel keeps what cannot be woken as a zombie, but all that is the host's goes."""
    for way in ("exit", "_exit", "quick_exit"):
        with Place() as place, file_system(os.path.join(place.path, "small")) as mount:
            env = dict(place.environment(), MTPRELOAD_SOCKET=f"{mount}/%p.sock")
            with Program(["/usr/bin/python3", "-c", HOST], env=env, **PIPES) as host:
                path = f"{mount}/{host.pid}.sock"
                wait_for(lambda: os.path.exists(path), "its name")
                with frozen(mount) as hold:
                    host.tell(way + "\n")
                    equal(host.hear(), "", "its output is closed")
                    wait_for(lambda: hold.over.is_set() or main_thread_has_ended(host.pid), "its end")
                    assert not hold.over.is_set(), f"its {way} went on only when its directory did"
                equal(host.process.wait(), 0)
                assert not os.path.exists(path)


VERSION_1 = "/sys/fs/cgroup/memory"
LIMIT = 64 * MIB


class Group(MemoryGroup):
    """One of version 1 whose members wait at its limit."""

    def __init__(self):
        super().__init__(os.path.join(VERSION_1, f"mtpreload-held-up-{os.getpid()}"),
                         {"memory.limit_in_bytes": LIMIT, "memory.oom_control": 1})

    def __enter__(self):
        need(os.path.exists(f"{VERSION_1}/memory.oom_control"), "there are no memory control groups of version 1")
        return super().__enter__()

    def take(self, pid):
        self.write("cgroup.procs", pid)

    @staticmethod
    def leave(pid):
        with open(f"{VERSION_1}/cgroup.procs", "w") as file:
            file.write(str(pid))

    def is_full(self):
        """Does somebody wait?"""
        with open(os.path.join(self.path, "memory.oom_control")) as file:
            return "under_oom 1" in file.read()

    def full(self, pid):
        """Whoever leaves it is refused nothing, but who waits goes on waiting."""
        return Hold(lambda: self.take(pid), lambda: self.write("memory.limit_in_bytes", 16 * LIMIT))


def leaks_into_a_full_group(check_content=0, **leak):
    with Place() as place, Group() as group, \
            host_with(place, min_available_percent=0, check_content=check_content) as host, \
            Client(place.wait_socket(host.pid)) as client:
        # Pages that both write to are charged before: a copy of one in a child gives room when the child ends.
        client.call("mt.mem_alloc", "4k")
        host.tell("alloc\n")
        equal(host.hear(), "0\n")
        with group.full(host.pid) as hold:
            client.call("mt.leak_start", rate="10g", limit=2 * LIMIT, **leak)
            wait_for(lambda: hold.over.is_set() or (group.is_full() and is_held_up(host.pid)), "the group to be full")
            group.leave(host.pid)
            host_goes_on(host, hold)
        wait_for(lambda: client.call("mt.mem_used") >= 2 * LIMIT, "the leak to go on")
        both_go_on(host, client)
        answers(place, host)


@by_root
def a_host_goes_on_while_pages_of_a_leak_wait_for_its_control_group():
    leaks_into_a_full_group(kind="mmap", size="1m")


@by_root
def a_host_goes_on_while_a_pattern_waits_for_its_control_group():
    leaks_into_a_full_group(check_content=1, kind="shmem", size="300k")


run_facts()
