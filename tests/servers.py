# SPDX-License-Identifier: BSD-2-Clause
"""What the servers of the live matrix share: no process may remain of one, other rights, and logs
and replies without what differs between any two runs."""

import contextlib
import ctypes
import functools
import os
import re
import shutil
import signal
import socket

from harness import PATIENCE_S, Traffic, children, end_tree, pid_lives, send_signal, wait_for
from matrix import lines_said, program, steady

PR_SET_CHILD_SUBREAPER = 36


def server(name, version):
    """Marks a program of the matrix of which no process may remain when the function returns."""
    def mark(function):
        @functools.wraps(function)
        def alone(run):
            with nothing_left():
                return function(run)
        return program(name, version)(alone)
    return mark


@contextlib.contextmanager
def nothing_left():
    """Orphans become our children, so that none escapes. After a failure they are ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
        wait_for(lambda: not remaining(), f"no process to remain: {remaining()}")
    finally:
        while left := remaining():
            for pid in left:
                end_tree(pid)


def remaining():
    """Our children that live, the dead ones buried."""
    for pid in children(os.getpid()):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in children(os.getpid()) if pid_lives(pid)]


def program_of(name):
    return shutil.which(name) or f"/usr/sbin/{name}"


def write(path, text):
    with open(path, "wb" if isinstance(text, bytes) else "w") as file:
        file.write(text)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rights(user):
    """For subprocess: what a service manager would start the program as."""
    return {"user": user, "group": user, "extra_groups": []} if os.getuid() == 0 else {}


def own_directory(path, user):
    os.mkdir(path)
    if os.getuid() == 0:
        shutil.chown(path, user, user)
    return path


def let_drop_late(run):
    """For a program whose main process drops its rights: on a slow machine it has a name by then,
    which in a sticky directory only root could remove."""
    os.chmod(run.place.run, 0o777)


def owner(pid):
    """Its uid; None where it has ended."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        return None


def wait_gone(*pids):
    wait_for(lambda: not any(map(pid_lives, pids)), f"{pids} to end")


def crash(run, pid):
    """Ends a process as the OOM killer would. Its name remains, since nobody was asked. Returns
    whether its siblings may remove it: not if it was bound before the rights were dropped, as on a
    slow machine; then the main process does when it ends."""
    theirs = run.watched and os.stat(run.place.wait_socket(pid)).st_uid == owner(pid)
    send_signal(pid, signal.SIGKILL)
    wait_gone(pid)
    return theirs


def wait_pruned(run, pid):
    wait_for(lambda: not os.path.exists(run.place.socket(pid)), f"the name of {pid} to be pruned")


def wait_answer(run, pid):
    """After an exec the old name refuses connections until the new program has bound its own."""
    def answers():
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(run.place.socket(pid)) == 0
    if run.watched:
        wait_for(answers, f"{pid} to answer")


class Web:
    """A web server as its user sees it: on a Unix socket (a path) or on a port of 127.0.0.1."""

    def __init__(self, run, address):
        self.run, self.address = run, address

    def curl(self, page, *options):
        """What a person sees of a page: headers, body, status of curl."""
        where = ["--unix-socket", self.address, "http://localhost"] \
            if isinstance(self.address, str) else [f"http://127.0.0.1:{self.address}"]
        return tool(self.run, "curl", "-sS", "-i", *options, *where[:-1], f"{where[-1]}/{page}")

    def fetch(self, page="page"):
        """The bytes after the headers, or None where it does not answer."""
        try:
            with self.connect() as s:
                s.settimeout(PATIENCE_S)
                s.sendall(f"GET /{page} HTTP/1.0\r\nUser-Agent: traffic\r\n\r\n".encode())
                got = b""
                while piece := s.recv(65536):
                    got += piece
                return got.partition(b"\r\n\r\n")[2] or None
        except OSError:
            return None

    def connect(self):
        if isinstance(self.address, str):
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.address)
            return s
        return socket.create_connection(("127.0.0.1", self.address))

    def wait_started(self, main, wanted):
        def answers():
            assert main.process.poll() is None, f"ended with {main.process.returncode}"
            return self.fetch() == wanted
        wait_for(answers, "the page")

    def traffic(self, wanted):
        """Fetches the page all the while; served() of it is for what was seen."""
        def ask(_):
            got = self.fetch()
            return None if got == wanted else repr(got)
        return Traffic(lambda: ask)


def served(traffic):
    """Waits until another page was asked for and come; what was wrong."""
    before = traffic.count
    wait_for(lambda: traffic.count > before + 1 or traffic.wrong, "traffic")
    return traffic.wrong


def tool(run, *argv, **options):
    """A command of the program: its status and, made steady, what it prints."""
    status, out, err = run.command(*argv, **options)
    return status, steady(run, out), steady(run, err)


def log_of(run, path, *more, but=None):
    """A log's lines, sorted, each once: two processes write them. `but` is a pattern of lines that
    come or not as the machine is fast or slow."""
    with open(path, errors="replace") as file:
        lines = lines_said(run, file.read(), *more)
    return [line for line in lines if not (but and re.search(but, line))]
