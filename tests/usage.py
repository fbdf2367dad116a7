# SPDX-License-Identifier: BSD-2-Clause
"""What the programs of the live matrix share: their files, their ports, and a dialogue with a program that
says itself when it may be injected into."""

import os
import shutil
import socket
import subprocess
import threading

import harness
from harness import MTCTL, Program, end_tree
from matrix import Run

HANGS_S = 5 * harness.PATIENCE_S  # then it never ends


class Server(Program):
    """A program that is ended with its children when the block is left."""

    def __exit__(self, *_):
        if self.process.poll() is None:
            end_tree(self.pid)
        super().__exit__()


def dialogue(run, *argv, env=None, **options):
    """Runs the program in the Run's directory to its end. Where it prints "drill PID ..." those processes
    are drilled, and it gets a line. (status, what else it printed, what it printed as errors)"""
    errors = os.path.join(run.path, "stderr")
    said = []
    with open(errors, "w") as stderr, \
            Server(argv, env=env or run.env(), cwd=run.path, stdin=-1, stdout=-1, stderr=stderr,
                    text=True, errors="replace", **options) as host:
        watchdog = threading.Timer(HANGS_S, end_tree, [host.pid])
        watchdog.start()
        try:
            for line in host.process.stdout:
                word, *pids = line.split() or [""]
                if word != "drill":
                    said.append(line)
                    continue
                for pid in pids:
                    run.drill(int(pid))
                host.process.stdin.write("go on\n")
                host.process.stdin.flush()
            status = host.process.wait(HANGS_S)
        finally:
            watchdog.cancel()
    with open(errors, errors="replace") as stderr:
        wrong = stderr.read()
    os.remove(errors)
    return status, here(run, "".join(said)), here(run, wrong)


def here(run, text):
    """The text without the name of the Run's directory, which differs each time."""
    return text.replace(run.path, "HERE")


def write(run, name, text, mode=0o644):
    """Makes a file in the Run's directory; its path."""
    path = os.path.join(run.path, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def plain(run):
    """The environment of what is not under test."""
    return Run(run.place, False).env()


def killed(run):
    """Says that a signal has ended a process, so that it could not take its name away. Whoever lists does;
    a name that was about to be bound has to be some seconds old."""
    def listed():
        subprocess.run([MTCTL, "ls"], env=plain(run) | {"MTPRELOAD_DIR": run.place.run}, check=True,
                       stdout=subprocess.DEVNULL, timeout=harness.PATIENCE_S)
        return run.place.names() == []
    if run.watched:
        harness.wait_for(listed, "the names of what was killed to go")


def read(run, name):
    """A file in the Run's directory; nothing where it is not there yet."""
    try:
        with open(os.path.join(run.path, name), errors="replace") as file:
            return here(run, file.read())
    except FileNotFoundError:
        return ""


def binary(name):
    """Debian's own program, not another that the PATH has first."""
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    assert path, f"{name} is not installed (make deps)"
    return path


def free_port():
    """A port of 127.0.0.1 that is free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]
