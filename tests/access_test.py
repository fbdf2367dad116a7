#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may command a host: root, and its user unless the host has more rights than that user."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

from harness import MTCTL, PIPES, Client, Place, Program, by_root, equal, need, run_facts, victim, wait_for, without_library
from safety import our_thread
from victims import is_nameless

USER = 1000
OTHERS = 1006  # a group

# Asks once, waits for a line, asks for a log, and tells what came of either.
CLIENT = """
import socket, sys
def ask(line):
    try:
        client.sendall(line)
        return client.recv(100).decode().split("\\n")[0] or "hung up"
    except OSError:
        return "hung up"
client = socket.socket(socket.AF_UNIX)
path = sys.argv[1]
client.connect("\\0" + path[1:] if path.startswith("@") else path)
print(ask(b"mt.mem_used\\n"), flush=True)
sys.stdin.readline()
print(ask(f"cfg.set_now_string malloc_test log {sys.argv[2]}\\n".encode()), flush=True)
"""


def as_user(uid, *argv):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *argv]


def client_of(path, log="/dev/null", uid=USER, **options):
    return Program(as_user(uid, sys.executable, "-c", CLIENT, path, log), **PIPES, **options)


def answer(path, uid=USER, **options):
    """Nothing where the mode of its file keeps the user out."""
    with client_of(path, uid=uid, **options) as client:
        return client.hear()


def executed(pid, name):
    """Has it become that program, and so lost what Python and setpriv had?"""
    with open(f"/proc/{pid}/comm") as comm:
        return comm.read() == name + "\n"


# Its child is another user at once, and root again for a line.
SWITCHES = f"""
import os, sys
if os.fork():
    os.wait()
else:
    os.seteuid({USER})
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    os.seteuid(0)
    print("root", flush=True)
    sys.stdin.readline()
"""


@by_root
def the_effective_user_of_a_root_process_gains_nothing():
    with Place() as place, Program(["/usr/bin/python3", "-c", SWITCHES], env=place.environment(), **PIPES) as host:
        pid = int(host.hear())
        path = place.wait_socket(pid)
        log = os.path.join(place.path, "roots")
        open(log, "w").close()
        with client_of(path, log) as client:
            equal(client.hear(), "hung up\n")
            host.tell()
            equal(host.hear(), "root\n")
            client.tell()
            equal(client.hear(), "hung up\n")
        wait_for(lambda: os.stat(path).st_uid == 0, "a name of root's")
        equal(answer(path, stderr=subprocess.DEVNULL), "")
        with Client(path) as root:
            equal(root.call("cfg.get", "malloc_test", "log"), "")
            equal(root.call("mt.mem_used"), 0)
        equal(os.path.getsize(log), 0)
        host.tell()


@by_root
def the_effective_user_of_a_root_process_has_no_hand_in_its_directory():
    """Without a directory of root's the name is one that no file system knows."""
    with Place() as place:
        theirs = os.path.join(place.path, "theirs")
        os.mkdir(theirs, 0o755)
        os.chown(theirs, USER, USER)
        env = dict(place.environment(), MTPRELOAD_DIR=theirs, XDG_RUNTIME_DIR="", RUNTIME_DIRECTORY="")
        with Program(["/usr/bin/python3", "-c", SWITCHES], env=env, **PIPES) as host:
            pid = int(host.hear())
            wait_for(lambda: f"mtpreload.{pid}" in open("/proc/net/unix").read(), "a name")
            bound = [line.split()[-1] for line in open("/proc/net/unix") if f"mtpreload.{pid}" in line]
            for path in bound:
                assert path.startswith(("@", "/run/mtpreload/")), path
            equal([name for name in os.listdir(theirs) if str(pid) in name], [])
            equal(answer(bound[0]), "hung up\n")
            host.tell()
            host.tell()


@by_root
def a_root_process_that_was_a_user_s_while_its_name_was_bound_is_found_by_root():
    """In a directory, and where none is usable."""
    for usable in (True, False):
        with Place() as place:
            if not usable:
                os.chmod(place.run, 0o755)
            env = dict(place.environment(), XDG_RUNTIME_DIR="", RUNTIME_DIRECTORY="")
            with Program(["/usr/bin/python3", "-c", SWITCHES], env=env, **PIPES) as host:
                pid = int(host.hear())
                wait_for(lambda: f"mtpreload.{pid}" in open("/proc/net/unix").read(), "a name")
                host.tell()
                equal(host.hear(), "root\n")
                wait_for(lambda: asked(pid, place) == "0\n", f"an answer to root, usable {usable}")
                host.tell()


def asked(pid, place):
    done = subprocess.run([MTCTL, "-p", str(pid), "mt.mem_used"], env=dict(place.environment(), LD_PRELOAD=""),
                          capture_output=True, text=True)
    return done.stdout


@by_root
def the_user_of_a_host_that_holds_a_capability_does_not_command_it():
    for held in ("dac_override", "net_bind_service"):
        argv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", f"--inh-caps=+{held}",
                f"--ambient-caps=+{held}", "sleep", "1000"]
        with Place() as place, Program(argv, env=place.environment(only="sleep")) as host:
            wait_for(lambda: executed(host.pid, "sleep"), "exec")
            path = place.wait_socket(host.pid)
            equal(answer(path), "hung up\n", held)
            with Client(path) as root:
                equal(root.call("mt.mem_used"), 0)


@by_root
def the_user_of_a_host_without_more_rights_commands_it():
    for uid in (USER, 65534):
        with Place() as place, Program(as_user(uid, "sleep", "1000"), env=place.environment(only="sleep")) as host:
            wait_for(lambda: executed(host.pid, "sleep"), "exec")
            path = place.wait_socket(host.pid)
            equal(answer(path, uid), "200 OK\n")
            with Client(path) as root:
                equal(root.call("mt.mem_used"), 0)


def in_groups(first, *more):
    groups = ["--groups=" + ",".join(map(str, more))] if more else ["--clear-groups"]
    return ["setpriv", f"--reuid={USER}", f"--regid={first}", *groups]


@by_root
def a_user_without_all_groups_of_the_host_does_not_command_it():
    """Its log would be made in directories that are closed to that user."""
    with Place() as place:
        closed = os.path.join(place.path, "closed")
        os.mkdir(closed)
        os.chown(closed, 0, OTHERS)
        os.chmod(closed, 0o775)
        for groups in ((OTHERS,), (USER, OTHERS), (USER, USER + 2, OTHERS)):
            with Program([*in_groups(*groups), "sleep", "1000"], env=place.environment(only="sleep")) as host:
                wait_for(lambda: executed(host.pid, "sleep"), "exec")
                path = place.wait_socket(host.pid)
                with client_of(path, os.path.join(closed, "log")) as client:
                    equal(client.hear(), "hung up\n", groups)
                    client.tell()
                    equal(client.hear(), "hung up\n", groups)
                equal(os.listdir(closed), [], groups)
                tool = shutil.copy(MTCTL, place.path)
                said = subprocess.run(as_user(USER, tool, "doctor", str(host.pid)), capture_output=True, text=True,
                                      env=dict(place.environment(), LD_PRELOAD=""))
                assert "and this mtctl is not: only root and users of that group may command it" in said.stdout + said.stderr, said
                said = subprocess.run(as_user(USER, tool, "ls", "-j"), capture_output=True, text=True,
                                      env=dict(place.environment(), LD_PRELOAD=""))
                equal([i.get("error") for i in json.loads(said.stdout) if i["pid"] == host.pid], ["no permission"])
                for more in (groups, (*groups[::-1], USER + 3)):
                    with Program([*in_groups(*more), sys.executable, "-c", CLIENT, path], **PIPES) as client:
                        equal(client.hear(), "200 OK\n", (groups, more))


# Enters a user namespace, as `nsenter --user --preserve-credentials` does.
ENTERS = """
import ctypes, os, sys
sys.stdin.readline()
print(ctypes.CDLL(None).setns(os.open(sys.argv[1], os.O_RDONLY), 0x10000000), flush=True)
sys.stdin.readline()
"""


@by_root
def a_root_process_in_a_users_namespace_obeys_nobody():
    """There that user is 0, and who has no number looks like anybody else without one."""
    with Place() as place, Program(as_user(USER, "unshare", "-Ur", "sleep", "1000"), env=without_library()) as user:
        need(subprocess.run(as_user(USER, "unshare", "-Ur", "true"), capture_output=True).returncode == 0,
             "users may have no namespace")
        wait_for(lambda: executed(user.pid, "sleep"), "exec")
        theirs, log = os.path.join(place.path, "theirs"), os.path.join(place.path, "roots")
        os.mkdir(theirs, 0o755)
        os.chown(theirs, USER, USER)
        for where in (place.run, theirs):
            env = dict(place.environment(log=log), MTPRELOAD_DIR=where, XDG_RUNTIME_DIR="", RUNTIME_DIRECTORY="")
            with Program(["/usr/bin/python3", "-c", ENTERS, f"/proc/{user.pid}/ns/user"], env=env, **PIPES) as host:
                wait_for(lambda: os.path.exists(log), "its log")
                os.unlink(log)
                host.tell()
                equal(host.hear(), "0\n")
                is_nameless(place, host.pid)
                equal((os.listdir(theirs), os.path.exists(log)), ([], False))
                host.tell()


def user_s(place):
    """Root's directory would be nobody's in a namespace without root."""
    os.chown(place.run, USER, USER)
    return contextlib.nullcontext()


def sleeper_in(place, *options):
    """A user's, in a namespace of his own. What brings it there is without the library, and so leaves no name."""
    argv = as_user(USER, "unshare", "-U", *options)
    need(subprocess.run([*argv, "true"], capture_output=True).returncode == 0, "users may have no namespace")
    env = place.environment()
    return Program([*argv, "env", f"LD_PRELOAD={env['LD_PRELOAD']}", "sleep", "1000"], env=dict(env, LD_PRELOAD=""))


@by_root
def the_user_of_a_host_without_a_number_does_not_command_it():
    with Place() as place, sleeper_in(place) as host:
        is_nameless(place, host.pid)
        said = subprocess.run([MTCTL, "doctor", str(host.pid)], env=place.environment(), capture_output=True, text=True).stdout
        assert f"where uid {USER} has no number, so that it has no socket" in said, said
        equal([line.split()[1] for line in said.splitlines() if line.startswith("problem")], ["users"], said)


@by_root
def where_others_have_no_number_the_mode_of_the_socket_decides():
    """As for the machine's root in a user's namespace."""
    with Place() as place, user_s(place), sleeper_in(place, f"--map-user={USER}") as host:
        path = place.wait_socket(host.pid)
        equal(answer(path), "200 OK\n")
        equal(answer(path, uid=0), "200 OK\n")
        with Program(as_user(USER + 1, sys.executable, "-c", CLIENT, path), stderr=subprocess.PIPE, **PIPES) as client:
            assert "PermissionError" in client.process.stderr.read()


def uids(pid):
    """By thread: real, effective, saved, and of files."""
    def of(task):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            return next(tuple(map(int, line.split()[1:])) for line in status if line.startswith("Uid:"))
    return {int(task): of(task) for task in os.listdir(f"/proc/{pid}/task")}


def diverged(who, call):
    """Whose the host's two threads are without the library."""
    with Program([victim("diverges"), who, call], env=without_library(), **PIPES) as host:
        host.tell()
        equal(host.hear(), "done\n")
        whose = uids(host.pid)
        return whose.pop(host.pid), *whose.values()


@by_root
def our_thread_is_whom_the_main_thread_is_whatever_another_becomes():
    for who in ("helper", "main"):
        for call in ("none", "unshare", "seteuid"):
            main, helper = diverged(who, call)
            assert main != helper, "both have changed"
            with Place() as place, Program([victim("diverges"), who, call], env=place.environment(), **PIPES) as host:
                path = place.wait_socket(host.pid)
                host.tell()
                equal(host.hear(), "done\n")
                whose = uids(host.pid)
                equal(whose.pop(host.pid), main)
                equal(sorted(whose.values()), sorted([main, helper]), f"{who} {call}")
                if main[:3] != (USER, USER, USER):
                    assert "200" not in answer(path, stderr=subprocess.DEVNULL), f"{who} {call}"
                with Client(place.wait_socket(host.pid)) as root:
                    equal(root.call("mt.mem_used"), 0)
                equal(host.finish(), ("", 0))


# In a root without /proc another thread than the main one becomes a user, by the system call: for itself alone.
ANOTHER_BECOMES = f"""
import ctypes, os, sys, threading
number = dict(x86_64=117, aarch64=147)[os.uname().machine]
libc = ctypes.CDLL(None)
sys.stdin.readline()
os.chroot(sys.argv[1])
os.chdir("/")
def become():
    print(libc.syscall(number, {USER}, {USER}, {USER}), flush=True)
    sys.stdin.readline()
threading.Thread(target=become).start()
"""


@by_root
def our_thread_is_whom_the_main_thread_is_where_nothing_tells_that_this_one_lives():
    with Place() as place:
        root = os.path.join(place.path, "root")
        os.mkdir(root)
        with Program(["/usr/bin/python3", "-c", ANOTHER_BECOMES, root], env=place.environment(), **PIPES) as host:
            place.wait_socket(host.pid)
            host.tell()
            equal(host.hear(), "0\n")
            ours = wait_for(lambda: our_thread(host.pid), "our thread")
            equal(uids(host.pid)[int(ours)], (0, 0, 0, 0))
            host.tell()


@by_root
def a_link_in_the_place_of_its_name_is_not_followed():
    """The call that would follow it is held up, so that there is time to put one there."""
    with Place() as place:
        target, hidden, name = (os.path.join(place.path, word) for word in ("target", ".x.sock", "x.sock"))
        open(target, "w").close()
        os.chmod(target, 0o644)
        env = [f"{k}={v}" for k, v in dict(place.environment(), MTPRELOAD_SOCKET=name).items() if k != "PATH"]
        argv = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fchmodat", "-e", "inject=fchmodat:delay_enter=500000",
                "env", *env, "cat"]
        need(shutil.which("strace"), "there is no strace")
        with Program(argv, env=without_library(), **PIPES):
            def tricked():
                if os.path.exists(hidden) and not os.path.islink(hidden):
                    os.unlink(hidden)
                    os.symlink(target, hidden)
                return os.path.exists(name) or os.stat(target).st_mode != 0o100644
            wait_for(tricked, "its name")
            equal(os.stat(target).st_mode, 0o100644)


@by_root
def root_has_no_name_in_a_users_directory():
    with Place() as place:
        os.chown(place.run, USER, USER)
        os.chmod(place.run, 0o755)
        env = dict(place.environment(), MTPRELOAD_SOCKET=place.socket("%p"))
        with Program(["sleep", "1000"], env=env) as host:
            is_nameless(place, host.pid)


run_facts()
