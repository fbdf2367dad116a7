# SPDX-License-Identifier: BSD-2-Clause
"""What the Python tests share: starting hosts under the library, talking to them, waiting for
conditions, and counting. Everything that a test starts it ends, by its own pid."""

import functools
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, os.environ.get("B", "build"))
LIB = os.path.join(BUILD, "libmtpreload.so")
MTCTL = os.environ.get("MTCTL") or os.path.join(BUILD, "mtctl")  # that of this machine, where BUILD is another's
BEHIND = os.environ.get("MT_BEHIND")  # an allocator to preload behind the library
MIB = 1 << 20
PATIENCE_S = 300  # how long a condition may take before the test is wrong, on any machine

ALLOCATORS = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.[0-9]")  # patterns for library()

# For a Python host that forks and whose errors are compared: from 3.12 on it warns where our thread is (README).
NO_FORK_WARNING = ("-W", "ignore::DeprecationWarning")

PIPES = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

_facts = []


class LeftOut(Exception):
    """What a test raises that needs more than this machine or this user has; the text is the reason."""


def need(what, reason):
    """Leaves the calling test out, for this reason, unless the value is true."""
    if not what:
        raise LeftOut(reason)


def fact(function):
    """Marks a test. Its name completes "it is true that ..."."""
    _facts.append(function)
    return function


def fact_if(what, reason):
    """Marks a test that is left out, for this reason, unless the value is true."""
    def mark(function):
        @fact
        @functools.wraps(function)
        def where_possible():
            need(what, reason)
            function()
        return where_possible
    return mark


def is_root():
    """Not only in a namespace of our own: with other users to become."""
    with open("/proc/self/uid_map") as uids:
        return os.geteuid() == 0 and int(uids.read().split()[2]) > 1


def nginx_user(name):
    """For a configuration of nginx: whose rights its workers take. With one id in the namespace there is nobody else."""
    return "" if os.geteuid() else f"user {name};" if is_root() else "user root root;"


# Marks a test that becomes another user, mounts, or has a namespace without users of its own.
by_root = fact_if(is_root(), "only root may")


def closing_line(passed, failed, skipped):
    """What a group of tests says last."""
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def run_facts():
    """Runs the marked tests of the calling file and ends the program with their result."""
    only = sys.argv[1:]
    passed = failed = skipped = 0
    for function in _facts:
        if only and function.__name__ not in only:
            continue
        try:
            function()
            passed += 1
        except LeftOut as reason:
            skipped += 1
            print(f"left out {function.__name__}: {reason}")
        except Exception:  # a failure of one says nothing about the others
            failed += 1
            print(f"FAILED {function.__name__}")
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    print(closing_line(passed, failed, skipped))
    sys.exit(1 if failed else 0)


def hold_in_this_build(facts):
    """Runs facts of other files, by the file's name without `_test.py`, in a process of their own."""
    for script, names in facts.items():
        done = subprocess.run([sys.executable, f"tests/{script}_test.py", *names], cwd=TOP, capture_output=True, text=True)
        equal(done.stdout.splitlines()[-1:], [closing_line(len(names), 0, 0)], done.stdout + done.stderr)


def make(*words):
    """Builds parts of the tree with another compiler or other flags; warnings are errors. The make that may have
    started us has flags that are not for this one."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "-j2", f"B={os.environ['B']}", "WERROR=1", *words], cwd=TOP, env=env, check=True)


def equal(got, wanted, what=""):
    assert got == wanted, f"{what}: got {got!r}, wanted {wanted!r}"


def near(got, wanted, tolerance, what=""):
    assert abs(got - wanted) <= tolerance, f"{what}: got {got}, wanted {wanted} ± {tolerance}"


def wait_for(condition, what):
    """Polls until the condition returns something true, and returns that. A file or a process that is not
    there, or not any more, while the condition looks at it, is no answer."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            value = condition()
        except (FileNotFoundError, ProcessLookupError):
            value = None
        if value:
            return value
        assert time.monotonic() < end, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.01)


def pid_lives(pid):
    """Its main thread alone may have ended."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stat:
            ended = stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        return not ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def children(pid):
    """The children of its main thread; none once it has ended."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def resident(pid):
    """Resident bytes of a process, exactly: smaps_rollup counts pages, status may lag."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no Rss")


def victim(name):
    return os.path.join(BUILD, "tests", "host_" + name)


def library(pattern):
    """The path of another library that can be preloaded."""
    found = glob.glob(f"/usr/lib/*/{pattern}") + glob.glob(f"/usr/lib/{pattern}")
    assert found, f"{pattern} is not installed: make deps"
    return found[0]


def without_library():
    """The environment, without what a make around the tests tells its own children."""
    env = {k: v for k, v in os.environ.items()
           if k not in ("LD_PRELOAD", "MAKEFLAGS", "MAKELEVEL", "MFLAGS") and
           not k.startswith("MTPRELOAD_")}
    return dict(env, LD_PRELOAD=BEHIND) if BEHIND else env


class Place:
    """A temporary directory with a directory for sockets in it."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="mt-test-")
        os.chmod(self.path, 0o755)
        self.run = os.path.join(self.path, "run")
        os.mkdir(self.run)
        # Workers that have dropped their rights bind here too.
        os.chmod(self.run, 0o1777)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def environment(self, **settings):
        """Of a host. Where a shell executes that, only=NAME keeps the shell from leaving a name of its own there."""
        env = without_library()
        env.update(LD_PRELOAD=f"{LIB} {BEHIND}" if BEHIND else LIB, MTPRELOAD_DIR=self.run)
        env.update({"MTPRELOAD_" + k.upper(): str(v) for k, v in settings.items()})
        return env

    def socket(self, pid):
        return os.path.join(self.run, f"mtpreload.{pid}.sock")

    def sockets(self, pid):
        """All names of that pid: the first one may be another process's that has ended, or of another namespace."""
        return [self.socket(pid), *sorted(glob.glob(os.path.join(self.run, f"mtpreload.{pid}.*.sock")))]

    def wait_socket(self, pid):
        def appeared():
            assert pid_lives(pid), f"{pid} has ended before its socket appeared"
            return os.path.exists(self.socket(pid))
        wait_for(appeared, f"the socket of {pid}")
        return self.socket(pid)

    def names(self):
        return sorted(os.listdir(self.run))


class Program:
    """A program that is ended when the block is left."""

    def __init__(self, argv, env=None, **options):
        self.argv, self.env, self.options = argv, env, options

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, env=self.env, **self.options)
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            end_tree(self.pid)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def tell(self, line="\n"):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline()

    def finish(self):
        """Ends its input; what it still prints, and its status."""
        out, _ = self.process.communicate("", timeout=PATIENCE_S)
        return out, self.process.returncode

    def stop(self, number=signal.SIGTERM):
        """Ends it gracefully; its status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)


def end_tree(pid):
    """Ends a daemon and its children, where a test could not do so gracefully. Stopped first, so that it
    starts nobody anew in the place of who has ended."""
    if not pid_lives(pid) or not send_signal(pid, signal.SIGSTOP):
        return
    for child in children(pid):
        end_tree(child)
    send_signal(pid, signal.SIGKILL)


def send_signal(pid, number):
    """Whether the process was still there: it may end between any two looks at it."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def group_name():
    """Of a control group of this test alone: a container that shares the tree may have our pid."""
    return f"mtpreload-test-{os.getpid()}-{os.urandom(4).hex()}"


class MemoryGroup:
    """A memory control group with these values in its files. Where none can be made the test is left out."""

    def __init__(self, path, values):
        self.path, self.values = path, values

    def __enter__(self):
        try:
            os.mkdir(self.path)
            for name, value in self.values.items():
                self.write(name, value)
        except OSError as error:
            need(False, f"no memory control group can be made here: {error}")
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as file:
            file.write(str(value))


class Traffic:
    """Asks a server all the while, from a thread. `connect` gives a function that asks once and
    returns what was wrong, or None."""

    def __init__(self, connect):
        self.connect, self.over, self.wrong, self.count = connect, threading.Event(), [], 0
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        try:
            ask = self.connect()
            while not self.over.is_set() and not self.wrong:
                wrong = ask(self.count)
                if wrong:
                    self.wrong.append(wrong)
                self.count += 1
        except OSError as error:
            self.wrong.append(error)


def mtctl(path, *words, status=0, json_wanted=False):
    """Runs mtctl against a socket as a person would; what it prints."""
    argv = [MTCTL, "-s", path, "-t", str(PATIENCE_S)] + (["--json"] if json_wanted else [])
    done = subprocess.run(argv + list(words), capture_output=True, text=True,
                          env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"})
    equal(done.returncode, status, f"mtctl {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stderr if status else done.stdout


def value(path, *words):
    """The result of a command, as JSON gives it."""
    return json.loads(mtctl(path, *words, json_wanted=True))


class Client:
    """A raw connection: the text format, or anything. A path with an @ in front is a name without a file."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect("\0" + path[1:] if path.startswith("@") else path)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def until(self, end):
        while end not in self.rest:
            got = self.socket.recv(65536)
            assert got, f"closed after {self.rest!r}"
            self.rest += got
        reply, self.rest = self.rest.split(end, 1)
        return reply.decode()

    def exactly(self, count):
        while len(self.rest) < count:
            got = self.socket.recv(65536)
            assert got, f"closed after {self.rest!r}"
            self.rest += got
        got, self.rest = self.rest[:count], self.rest[count:]
        return got

    def ask(self, line):
        """One text request; the reply without its empty line."""
        self.send(line + "\n")
        return self.until(b"\n\n")

    def reply(self, method, *params, **named):
        """One JSON-RPC request; its whole reply."""
        self.send(json.dumps({"jsonrpc": "2.0", "method": method,
                              "params": named or list(params), "id": 1}) + "\n")
        return json.loads(self.until(b"\n"))

    def call(self, method, *params, **named):
        """One JSON-RPC request; its result."""
        reply = self.reply(method, *params, **named)
        assert "result" in reply, reply
        return reply["result"]

    def refusal(self, method, *params, **named):
        """One that is refused; the code and the text."""
        reply = self.reply(method, *params, **named)
        assert "error" in reply, reply
        return reply["error"]["data"]["code"], reply["error"]["message"]
