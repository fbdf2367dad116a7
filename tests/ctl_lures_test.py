#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl, run by whoever may do more, against what somebody else has laid out for it: names that are not theirs, files that
are no files, processes without end."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

from ctl import Family, Server, as_root, clean, here, host, isolate, name_of, path_of, run, says
from harness import MTCTL, Place, Program, equal, fact, run_facts, wait_for

isolate()


# Files that are no files. A FIFO tells whether it has been opened: then its writer does not wait any more.

class Fifo:
    def __init__(self, path):
        self.path = path
        os.mkfifo(path, 0o777)
        self.writer = subprocess.Popen(["sh", "-c", ': > "$0"', path])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.writer.kill()
        self.writer.wait()

    def is_untouched(self):
        return self.writer.poll() is None


class Preloading(Program):
    """A program whose LD_PRELOAD names a file that the loader has not found: it looks before it maps libc."""

    def __init__(self, library):
        super().__init__(["sh", "-c", 'exec 2>&-; LD_PRELOAD=$0 exec sleep 1000', library])

    def __enter__(self):
        super().__enter__()
        wait_for(lambda: name_of(self) == "sleep" and "libc.so" in open(f"/proc/{self.pid}/maps").read(), "sleep")
        return self


@fact
def doctor_opens_no_fifo_that_somebody_names():
    with Place() as place:
        library = os.path.join(place.path, "libmtpreload.so")
        with Preloading(library) as program:
            with Fifo(library) as fifo:
                for words in ([str(program.pid)], [], ["--", library]):
                    assert run("doctor", *words).status in (0, 1)
                    assert fifo.is_untouched(), words


@fact
def doctor_takes_devices_and_directories_for_what_they_are():
    for make in (os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("/proc/self/mem", path)):
        with Place() as place:
            library = os.path.join(place.path, "libmtpreload.so")
            with Preloading(library) as program:
                make(library)
                equal(run("doctor", str(program.pid)).status, 1)


# Names that an unprivileged user has laid out for root.

USER = 1000
LURES = f"/tmp/mtpreload-{USER}"


class Lures(Program):
    """A process of that user's, which runs `code` in its own directory of sockets and then sleeps."""

    COMMON = """
import ctypes, os, socket, sys, threading, time
os.setgroups([]); os.setgid({user}); os.setuid({user})
os.makedirs("{dir}", 0o700, exist_ok=True)
os.chdir("{dir}")
kept = []
def listen(name, backlog=8):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen(backlog)
    kept.append(s)
def fill(name):
    listen(name, 0)
    while True:
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        kept.append(c)
        try:
            c.connect(name)
        except BlockingIOError:
            return
def name(pid, nth=""):
    return f"mtpreload.{{pid}}{{nth}}.sock"
victim = int(sys.argv[1])
"""

    def __init__(self, victim, code):
        common = self.COMMON.format(user=USER, dir=LURES)
        super().__init__([sys.executable, "-c", f"{common}\n{code}\nprint('laid', flush=True)\ntime.sleep(1000)",
                          str(victim)], env=clean(), stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        super().__enter__()
        equal(self.hear(), "laid\n")
        return self

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(LURES)


def is_listed(program, path, env):
    """mtctl finds the program's own socket, and it answers."""
    done = run("ls", "-j", env=env)
    equal((done.status, done.err), (0, ""))
    found = [i for i in json.loads(done.out) if i["pid"] == program.pid]
    equal([(i["socket"], i["uid"]) for i in found], [(path, 0)])
    equal(run("-p", str(program.pid), "mt.mem_used", env=env).all(), (0, "0\n", ""))
    return json.loads(done.out)


def lured(code):
    """What ls lists beside a program of root's, and what is left of the lures."""
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, code) as lures:
            listed = is_listed(program, path, here(place))
            is_listed(program, path, clean())
            return [i for i in listed if i["pid"] not in (program.pid, lures.pid)], sorted(os.listdir(LURES))


@as_root
def a_squatted_name_with_a_full_queue_hides_nobody():
    equal(lured("fill(name(victim))")[0], [])


@as_root
def twenty_names_with_full_queues_hide_nobody():
    equal(lured("fill(name(victim))\nfor i in range(2, 21): fill(name(victim, f'.{i}'))")[0], [])


@as_root
def a_server_that_is_another_process_hides_nobody():
    equal(lured("listen(name(victim))")[0], [])


@as_root
def files_that_are_no_sockets_hide_nobody():
    for code in ("os.mkfifo(name(victim))", "open(name(victim), 'w').close()", "os.mkdir(name(victim))",
                 "os.symlink('/dev/zero', name(victim))"):
        others, left = lured(code)
        equal((others, len(left)), ([], 1), code)


@as_root
def a_link_to_a_socket_of_root_s_is_not_followed():
    with Place() as place, Server(path=os.path.join(place.path, "root.sock")) as server:
        came = []
        server.talk = came.append
        os.chmod(server.path, 0o666)
        equal(lured(f"os.symlink('{server.path}', name(victim))")[0], [])
        equal(lured(f"os.symlink('{server.path}', name(os.getpid()))")[0], [])
        with Lures(1, f"os.symlink('{server.path}', name(4000001))"):
            equal(run("ls").status, 0)
            equal(os.listdir(LURES), ["mtpreload.4000001.sock"])
        equal(came, [])


@as_root
def a_full_queue_of_a_process_that_is_none_is_not_believed():
    dead = 2_000_000_000
    others, left = lured(f"fill(name({dead}))\nfill(name(1))")
    equal((others, left), ([], ["mtpreload.1.sock", f"mtpreload.{dead}.sock"]), "somebody listens there")
    equal(run("-p", str(dead), "mt.mem_used").status, 3)


@as_root
def what_a_dead_server_with_a_full_queue_has_left_goes_only_with_its_process():
    others, left = lured("if os.fork() == 0:\n    fill(name(2_000_000_000)); fill(name(victim)); os._exit(0)\nos.wait()")
    equal((others, [re.sub("[0-9]+", "PID", name) for name in left]), ([], ["mtpreload.PID.sock"]))
    assert "2000000000" not in left[0], left


@as_root
def a_role_is_counted_among_one_user_s_processes_only():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Lures(1, "listen(name(os.getpid()))  # worker") as lure, Place() as place, \
            Family(place, "d: master process", "d: worker process", "d: worker process") as family:
        assert lure.pid < family.master  # it would be the first
        for role in ("worker:1", "worker:2", "worker", "master", ":2"):
            done = run("-t", "5", "-n", f"{python}:{role}", "mt.mem_alloc", "1", env=here(place))
            says(done, 3, "", f"mtctl: -n {python}:{role}: several users have processes of that name: uid {USER} has "
                 f"{lure.pid}; uid 0 has {family.master} and 2 more (choose with -p PID)\n")
        listed = json.loads(run("ls", "-j", "-n", f"{python}:worker:1", env=here(place)).out)
        equal([i["pid"] for i in listed], [lure.pid, family.workers[0]], "the first of each user's")


HUNDRED_THOUSAND = """
listen("s")
for i in range(100_000):
    os.link("s", name(2_000_000_000 + i))
"""


@as_root
def a_hundred_thousand_names_hide_nobody_and_are_not_all_asked():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, HUNDRED_THOUSAND):
            for env in (here(place), clean()):
                done = run("ls", "-j", env=env)
                equal([(i["socket"], "held" in i) for i in json.loads(done.out) if i["pid"] == program.pid], [(path, True)])
                equal((done.status, done.err), (0, f"mtctl: not everything was looked at, since {LURES} has too much in it "
                                                   "(-p PID finds one process all the same)\n"))
                equal(run("mt.mem_used", env=env).all(), (0, "0\n", ""))
                equal(run("-p", str(program.pid), "mt.mem_used", env=env).all(), (0, "0\n", ""))
                equal(run("doctor", str(program.pid), env=env).status, 0)


# Whatever a process has the kernel show as its environment, or its command line.
SHOWN = """
size = 300 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))  # private, anonymous, without a reserve
stat = [int(field) for field in open("/proc/self/stat").read().rsplit(")", 1)[1].split()[1:]]
start, end, stack = stat[22:25]
data, data_end, brk, arg, arg_end, env, env_end = stat[41:48]
libc.sbrk.restype = ctypes.c_void_p
words = [start, end, data, data_end, brk, libc.sbrk(ctypes.c_long(0)), stack, arg, arg_end, env, env_end, 0]
words[shown:shown + 2] = at, at + size
shown_map = (ctypes.c_uint64 * 13)(*words, 0xffffffff << 32)
assert libc.prctl(35, 14, ctypes.byref(shown_map), ctypes.c_ulong(ctypes.sizeof(shown_map)), 0) == 0, ctypes.get_errno()
ready = threading.Event()
def ours():
    libc.prctl(15, b"mtpreload")
    ready.set()
    time.sleep(1000)
threading.Thread(target=ours, daemon=True).start()
ready.wait()
"""


def memory_of(*words):
    """How many KiB mtctl had resident at the most."""
    with subprocess.Popen([MTCTL, *words], env=clean(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss


@as_root
def what_is_shown_as_an_environment_is_not_all_read():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        for shown_at in (7, 9):  # the command line, the environment
            with Lures(program.pid, f"shown = {shown_at}\n{SHOWN}") as lure:
                is_listed(program, path, here(place))
                is_listed(program, path, clean())
                for words in (["ls"], ["-p", str(lure.pid), "mt.mem_used"], ["-n", "sleep:master", "mt.mem_used"],
                              ["doctor", str(lure.pid)]):
                    assert memory_of(*words) < 100 << 10, words


@as_root
def a_silent_server_delays_no_other_s_reset():
    for code in ("listen(name(os.getpid()))", "fill(name(os.getpid()))"):
        with Lures(1, code) as lure, Place() as place, host(place) as program:
            assert lure.pid < program.pid  # it is asked first
            path_of(place, program)
            env = here(place)
            says(run("-p", str(program.pid), "mt.mem_alloc", "5", env=env), 0)
            with subprocess.Popen([MTCTL, "-t", "0", "--all", "mt.reset"], env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as asking:
                try:
                    wait_for(lambda: run("-p", str(program.pid), "mt.mem_used", env=env).out == "0\n", "the reset")
                finally:
                    asking.kill()


def children(each, before=""):
    """Code for 200 of them, each of which does this and writes to `writing`; they end with their parent."""
    return f"""
reading, writing = os.pipe()
{before}
for i in range(200):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)
        {each}
        time.sleep(1000)
os.close(writing)
for i in range(200):
    assert os.read(reading, 1)
"""


@as_root
def two_hundred_servers_that_never_answer_hide_nobody():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, children("(listen if i % 2 else fill)(name(os.getpid())); os.write(writing, b'+')")) as lures:
            listed = is_listed(program, path, here(place))
            equal({i["error"] for i in listed if i["parent"] == lures.pid}, {"not answering"})
            assert sum(i["parent"] == lures.pid for i in listed) >= 100  # those whose server could be asked for


A_THREAD_LIKE_OURS = """
def ours():
    ctypes.CDLL(None).prctl(15, b"mtpreload")
    os.write(writing, b"+")
    time.sleep(1000)
"""


@as_root
def doctor_says_how_many_it_has_left_out():
    """Each of these would take it two seconds."""
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        env = here(place)
        named = children("listen(name(os.getpid())); threading.Thread(target=ours).start()", A_THREAD_LIKE_OURS)
        with Lures(program.pid, named):
            for seconds in (1, 4, 16):  # a busy machine needs longer for the one that is well
                done = run("-t", str(seconds), "doctor", env=env)
                equal((done.status in (0, 1), done.err), (True, ""))
                assert re.search(r"(?m)^note     unfinished   \d+ processes were not looked at: ", done.out), done.out
                if f"ok       process      {program.pid} (sleep): {path}\n" in done.out:
                    break
            else:
                raise AssertionError(done.out)
            found = {f["check"]: f for f in json.loads(run("-j", "-t", "1", "doctor", env=env).out)}
            equal((found["unfinished"]["level"], found["unfinished"]["remedy"]),
                  ("note", "mtctl doctor PID looks at one; mtctl -t SEC doctor takes longer"))


run_facts()
