# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of mtctl share: running it, servers that answer what a test wants, a corner of the
machine in which no instance runs but the test's own, seccomp filters, and what doctor finds."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from harness import BUILD, MTCTL, PATIENCE_S, Program, by_root, children, equal, fact_if, is_root, wait_for

ISOLATED = "MT_TEST_ISOLATED"
SLEEP = ("sleep", "1000")
PYTHON = (sys.executable, "-c", "import time; time.sleep(1000)")
HEADER = "PID  PARENT  NAME  UID  UPTIME  ALLOCATOR  HELD  SOCKET\n"
NOBODY = 54321  # a user to whom nothing here belongs


def isolate():
    """Starts the calling script again in pid and mount namespaces of its own, with an empty /tmp,
    where the system lets us; there its end is the end of everything that it started."""
    if os.environ.get(ISOLATED):
        if not BUILD.startswith("/tmp/"):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=True)
        return
    spaces = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
    if os.geteuid():
        spaces += ["--user", "--map-root-user"]
    if shutil.which("unshare") and \
            subprocess.run(spaces + ["true"], capture_output=True).returncode == 0:
        os.environ[ISOLATED] = "1"
        os.environ["TMPDIR"] = "/tmp"
        os.execvp("unshare", spaces + [sys.executable] + sys.argv)
    print("not isolated: other instances on this machine may disturb")


# Marks a test that needs the machine, or namespaces, for itself.
alone = fact_if(os.environ.get(ISOLATED), "no namespaces can be made here")


def as_root(function):
    """Marks a test that becomes another user."""
    return alone(function) if is_root() else by_root(function)


class Result:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def all(self):
        return self.status, self.out, self.err


def clean(**more):
    """An environment in which nothing points to us."""
    foreign = ("LD_PRELOAD", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", ISOLATED)
    env = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith("MTPRELOAD_")}
    env.update(more)
    return env


def here(place):
    """An environment in which mtctl looks into the place."""
    return clean(MTPRELOAD_DIR=place.run)


def run(*words, env=None, stdin="", binary=MTCTL, **options):
    """mtctl as a person runs it, without any of our variables unless `env` has them."""
    return Result(subprocess.run([binary, *words], input=stdin, text=True, errors="surrogateescape",
                                 timeout=PATIENCE_S, capture_output=True, env=env or clean(), **options))


def says(result, status, out="", err=""):
    """Everything that it printed and how it ended, exactly."""
    equal(result.all(), (status, out, err), "status, stdout, stderr")


def each_says(result, answers):
    """With --all: these answers and no complaint, in whichever order they came."""
    equal((result.status, result.err), (0, ""), result.out)
    equal(sorted(re.findall("^# [^\n]*\n[^#]*", result.out, re.M)), sorted(answers), "answers")


def host(place, argv=SLEEP, **settings):
    """A program under the library, with a place for its socket."""
    return Program(list(argv), env=place.environment(**settings))


def path_of(place, program):
    return place.wait_socket(program.pid)


def name_of(program):
    with open(f"/proc/{program.pid}/comm", errors="replace") as comm:
        return comm.read().rstrip("\n")


# Forks two children, and each of the three takes a title where one is given for it.
FAMILY = r"""
import os, sys, time
titles = sys.argv[1:] + [None] * 3
def title(text):
    if text:
        with open("/proc/self/stat") as stat:
            start, end = map(int, stat.read().rsplit(")", 1)[1].split()[45:47])
        with open("/proc/self/mem", "r+b", buffering=0) as mem:
            mem.seek(start)
            mem.write(text.encode().ljust(end - start, b"\0"))
for n in (1, 2):
    if os.fork() == 0:
        title(titles[n])
        time.sleep(1000)
title(titles[0])
print("titled", flush=True)
time.sleep(1000)
"""


class Family:
    """A parent and two children, all instances, with their pids in order."""

    def __init__(self, place, *titles):
        argv = (sys.executable, "-c", FAMILY, *titles)
        self.place, self.titles = place, titles
        self.program = Program(argv, env=place.environment(), stdout=subprocess.PIPE)

    def __enter__(self):
        self.program.__enter__()
        self.program.process.stdout.readline()
        self.master = self.program.pid
        self.workers = sorted(children(self.master))
        for pid in (self.master, *self.workers):
            self.place.wait_socket(pid)
        for pid, title in zip((self.master, *self.workers), self.titles):
            wait_for(lambda: title.encode() in open(f"/proc/{pid}/cmdline", "rb").read(), title)
        return self

    def __exit__(self, *_):
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)
        self.program.__exit__()

    def chosen(self, name):
        """Whom -n with this name means."""
        done = run("-n", name, "--all", "-j", "mt.info", env=here(self.place))
        equal((done.status, done.err), (0, ""), done.out)
        return sorted(json.loads(line)["pid"] for line in done.out.splitlines())


def freeze(program):
    """Stops a program, all of its threads."""
    program.process.send_signal(signal.SIGSTOP)
    tasks = f"/proc/{program.pid}/task"

    def is_stopped(task):
        try:
            with open(f"{tasks}/{task}/stat") as stat:
                return ") T " in stat.read()
        except (FileNotFoundError, ProcessLookupError):
            return True  # it has ended

    wait_for(lambda: all(map(is_stopped, os.listdir(tasks))), "every thread to stop")


class Server:
    """A server that is not ours: it answers each line with the next of `replies` (bytes, sent as
    they are; None hangs up) and keeps what it received."""

    def __init__(self, *replies, path=None):
        self.replies, self.received = list(replies), []
        self.dir = None if path else tempfile.mkdtemp(prefix="mt-test-")
        self.path = path or os.path.join(self.dir, "fake.sock")

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE_S)
        with contextlib.suppress(FileNotFoundError):  # a test may have moved it
            os.unlink(self.path)
        if self.dir:
            os.rmdir(self.dir)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.talk(connection)
                except OSError:
                    pass

    def talk(self, connection):
        for line in connection.makefile("rb"):
            self.received.append(line.decode())
            reply = self.replies.pop(0) if self.replies else None
            if reply is None:
                return
            connection.sendall(reply)


def result_of(json_text, number=1):
    """A reply with this result to the request of this number on its connection."""
    return f'{{"jsonrpc":"2.0","result":{json_text},"id":{number}}}\n'.encode()


def shown(json_text, *words):
    """What mtctl prints for a result."""
    with Server(result_of(json_text)) as server:
        done = run(*words, "-s", server.path, "a.b")
        equal((done.status, done.err), (0, ""))
        return done.out


def request_for(*words):
    """What mtctl sends for these words."""
    with Server(result_of("null")) as server:
        says(run("-s", server.path, *words), 0)
        return server.received


ALLOW, REFUSE, KILL = 0x7fff0000, 0x00050001, 0x80000000


def bpf(action, *calls):
    """A seccomp filter that does this to some calls."""
    code = [struct.pack("=HBBI", 0x20, 0, 0, 0)]
    for left, call in enumerate(reversed(calls)):
        code.insert(1, struct.pack("=HBBI", 0x15, left + 1, 0, call))
    code += [struct.pack("=HBBI", 6, 0, 0, ALLOW), struct.pack("=HBBI", 6, 0, 0, action)]
    return b"".join(code)


INSTALL = """
import ctypes, sys
def install(code, tsync):
    class Program(ctypes.Structure):
        _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_char_p)]
    libc = ctypes.CDLL("libc.so.6", use_errno=True)  # goes past the library's own syscall
    libc.prctl(38, 1, 0, 0, 0)
    program = Program(len(code) // 8, code)
    assert libc.syscall(317, 1, tsync, ctypes.byref(program)) == 0, ctypes.get_errno()
"""


def findings(*words, status, starved=False, **options):
    """What doctor says: {check: finding}, after its exit status has been compared. On a busy machine it may say, and
    rightly, that a thread is starved: then it is asked again."""
    def asked():
        done = run("doctor", "-j", *words, **options)
        return None if '"check":"starved"' in done.out.replace(": ", ":") and not starved else done
    done = wait_for(asked, "a thread that is not starved")
    equal((done.status, done.err), (status, ""), done.out)
    found = json.loads(done.out)
    for finding in found:
        equal(list(finding), ["level", "check", "text", "remedy"])
        assert finding["level"] != "problem" or finding["remedy"], finding
    assert (status == 1) == any(f["level"] == "problem" for f in found), found
    return {f["check"]: f for f in found}


def problem(check, *texts, of, level="problem", **options):
    """Doctor finds this, and no other problem; its text."""
    found = findings(*map(str, of), status=1 if level == "problem" else 0, starved=check == "starved", **options)
    equal([f["check"] for f in found.values() if f["level"] == "problem"],
          [check] if level == "problem" else [], found)
    equal(found[check]["level"], level, found)
    for text in texts:
        assert text in found[check]["text"], found[check]
    return found[check]


def process(check, *texts, program, **options):
    """What is wrong with a process, once it has come so far."""
    wait_for(lambda: started(program), "exec")
    return problem(check, *texts, of=[program.pid], **options)


def started(program):
    """Has it left Python behind, and its loader?"""
    try:
        with open(f"/proc/{program.pid}/stat", errors="replace") as stat:
            state = stat.read().rsplit(")", 1)[1].split()[0]
        ours = os.readlink(f"/proc/{program.pid}/exe") == os.readlink("/proc/self/exe")
        return state in "STt" and (not ours or program.argv[0] == sys.executable)
    except OSError:
        return False
