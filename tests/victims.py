# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of every victim: that it does the same as without the library, and that it obeys."""

import os
import socket
import subprocess

from harness import (MIB, PATIENCE_S, PIPES, Client, Place, Program, equal, wait_for, without_library)
from safety import our_thread


def outcome(argv, env, line="", **options):
    done = subprocess.run(argv, env=env, input=line, capture_output=True, text=True,
                          timeout=2 * PATIENCE_S, **options)
    return done.returncode, done.stdout, done.stderr


def own_directory(place):
    """An empty one to start it in."""
    path = os.path.join(place.path, "its directory")
    os.mkdir(path)
    return path


def plain_outcome(argv, line):
    """Without the library; it leaves no file behind, and so must not with it."""
    with Place() as place:
        plain = outcome(argv, without_library(), line, cwd=own_directory(place))
        equal(os.listdir(place.path + "/its directory"), [], " ".join(argv))
    return plain


def same_with_and_without(*argv, line="", **settings):
    """Runs it both ways to its end; what it printed."""
    plain = plain_outcome(argv, line)
    with Place() as place:
        directory = own_directory(place)
        equal(outcome(argv, place.environment(**settings), line, cwd=directory), plain, " ".join(argv))
        equal((place.names(), os.listdir(directory)), ([], []), " ".join(argv))
    return plain


def same_though_injected(*argv, line):
    """Runs one that waits for the line both ways; with the library it is leaked into and reset before that."""
    plain = plain_outcome(argv, line)
    with Place() as place:
        os.chmod(place.run, 0o777)  # one that gives its rights up there is to take its name along
        directory = own_directory(place)
        with Program(argv, env=place.environment(), cwd=directory, stderr=subprocess.PIPE, **PIPES) as host:
            obeys(place.wait_socket(host.pid))
            out, errors = host.process.communicate(line, timeout=PATIENCE_S)
            equal((host.process.returncode, out, errors), plain, " ".join(argv))
        names = [] if plain[0] >= 0 else place.names()  # a signal that ends it leaves its name
        equal((place.names(), os.listdir(directory)), (names, []), " ".join(argv))


def obeys(path):
    """Leaks, looks, takes back."""
    with Client(path) as client:
        pid = client.call("mt.info")["pid"]
        before = client.call("mt.mem_used")
        client.call("mt.mem_alloc", "1m")
        equal(client.call("mt.mem_used") - before, MIB)
        client.call("mt.reset")
        equal(client.call("mt.mem_used"), 0)
        return pid


def abstract(pid):
    return f"\0mtpreload.{pid}"


def connects(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
            return True
        except ConnectionRefusedError:
            return False


def wait_name(place, pid):
    """Its directory may not be its own any more, as in a new user namespace, so the name may be either."""
    return wait_for(lambda: os.path.exists(place.socket(pid)) and place.socket(pid) or
                    connects(abstract(pid)) and abstract(pid), f"a name of {pid}")


def switches(pid):
    """How often our thread has slept."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
        if fields["Name"].startswith("mtpreload"):
            return int(fields["voluntary_ctxt_switches"])
    raise AssertionError("no thread of ours")


def is_nameless(place, pid):
    """Our thread has gone to sleep again and again, and there is no name."""
    def named():
        return os.path.exists(place.socket(pid)) or connects(abstract(pid))
    wait_for(lambda: our_thread(pid), "our thread")
    start = switches(pid)
    wait_for(lambda: named() or switches(pid) > start + 2, "our thread to try it")
    assert not named(), place.names()
