#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The log of a host: which files it opens, and what it keeps when the host becomes another user."""

import os
import sys

from harness import PIPES, Client, Place, Program, by_root, equal, fact, run_facts

USER = 1000
IDLE = ["sleep", "1000"]
ACCEPTED = ("(accepted: an absolute path without links, to a regular file of this process's user with no other name, or to a "
            "new file, or nothing)")

# Becomes the user of its line, by libc and by the system call for its own thread.
BECOMES = """
import os, sys
for line in sys.stdin:
    os.setresgid(*[int(line)] * 3)
    os.setresuid(*[int(line)] * 3)
    print("became", flush=True)
"""

# As a user: one request a line, and the first line of the answer.
CLIENT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
for line in sys.stdin:
    client.sendall(line.encode())
    print(client.recv(4096).decode().split("\\n")[0], flush=True)
"""


def set_log(client, path):
    client.call("cfg.set_now_string", "malloc_test", "log", path)


def log_of(client):
    return client.call("cfg.get", "malloc_test", "log")


def read(path):
    with open(path) as file:
        return file.read()


@fact
def what_may_not_be_a_log_is_refused_by_name_and_the_old_one_stays():
    with Place() as place, Program(IDLE, env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        log, lure = os.path.join(place.path, "log"), os.path.join(place.path, "lure")
        set_log(client, log)
        equal(os.stat(log).st_mode & 0o777, 0o600)
        open(lure, "w").close()
        os.symlink(lure, os.path.join(place.path, "link"))
        os.link(lure, os.path.join(place.path, "second"))
        os.mkfifo(os.path.join(place.path, "fifo"))
        os.symlink(place.path, os.path.join(place.path, "way"))
        for name, why in [("link", "'link' is a link"), ("way/lure", "'way' is a link"), ("way/new", "'way' is a link"),
                          ("second", "'second' has another name"), ("fifo", "'fifo' is no regular file"),
                          ("run", "'run' is no regular file")]:
            path = os.path.join(place.path, name)
            equal(client.refusal("cfg.set_now_string", "malloc_test", "log", path),
                  (400, f"log '{path}': {why} {ACCEPTED}"))
        equal(log_of(client), log)
        client.call("mt.mem_alloc", "4k")
        assert " mt.mem_alloc 4k by pid " in read(log), read(log)
        equal(os.path.getsize(lure), 0)
        assert not os.path.exists(os.path.join(place.path, "new"))


@fact
def a_lure_in_the_environment_is_complained_of():
    with Place() as place:
        lure, link = os.path.join(place.path, "lure"), os.path.join(place.path, "link")
        open(lure, "w").close()
        os.symlink(lure, link)
        with Program(IDLE, env=place.environment(log=link)) as host, Client(place.wait_socket(host.pid)) as client:
            equal(client.call("mt.info")["environment"], [f"log={link}: 'link' is a link"])
            client.call("mt.mem_alloc", "4k")
            equal((log_of(client), os.path.getsize(lure)), ("", 0))


@fact
def a_client_writes_one_line_whatever_it_says():
    with Place() as place, Program(IDLE, env=place.environment(log=os.path.join(place.path, "log"))) as host, \
            Client(place.wait_socket(host.pid)) as client:
        client.refusal("cfg.set_now_string", "malloc_test", "fork", "off\nmt.reset by pid 1 uid 0\u0085\u009b\u202e")
        text = read(log_of(client))
        equal(text.count("\n"), 1)
        assert '"off\\x0amt.reset by pid 1 uid 0\\xc2\\x85\\xc2\\x9b\\xe2\\x80\\xae" by pid ' in text, text


@by_root
def a_host_that_gives_up_root_gives_up_roots_log():
    """Its user could not write to it without us."""
    with Place() as place, Program(["/usr/bin/python3", "-c", BECOMES], env=place.environment(), **PIPES) as host:
        roots, theirs = os.path.join(place.path, "roots"), os.path.join(place.path, "theirs")
        path = place.wait_socket(host.pid)
        with Client(path) as client:
            set_log(client, roots)
            client.call("mt.mem_alloc", "4k")
        before = os.path.getsize(roots)
        host.tell(f"{USER}\n")
        equal(host.hear(), "became\n")
        os.chown(path, USER, USER)
        os.chmod(place.path, 0o777)
        with Program(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", sys.executable, "-c", CLIENT,
                      path], **PIPES) as client:
            client.tell("mt.mem_alloc 4k\n")
            equal(client.hear(), "200 OK\n")
            client.tell(f"cfg.set_now_string malloc_test log {roots}\n")
            assert "'roots' belongs to uid 0, and the process is uid 1000's" in client.hear()
            client.tell(f"cfg.set_now_string malloc_test log {theirs}\n")
            equal(client.hear(), "200 OK\n")
            client.tell("mt.mem_alloc 8k\n")
            equal(client.hear(), "200 OK\n")
        equal(os.path.getsize(roots), before, "what was written to root's log for the user")
        assert " mt.mem_alloc 8k by pid " in read(theirs), read(theirs)
        equal(os.stat(theirs).st_uid, USER)


run_facts()
