#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl doctor on processes that have the library: each cause, in a real case of it."""

import contextlib
import ctypes
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys

from ctl import (INSTALL, KILL, NOBODY, REFUSE, SLEEP, Server, alone, as_root, bpf, clean, findings, freeze,
                 here, host, isolate, name_of, path_of, problem, process, run, says, started)
from harness import BUILD, LIB, MTCTL, Client, Place, Program, equal, fact, need, pid_lives, run_facts, wait_for

isolate()

LIBC = ctypes.CDLL(None, use_errno=True)


@fact
def an_active_process_is_well():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        found = findings(str(program.pid), status=0)
        equal({f["level"] for f in found.values()}, {"ok"})
        equal({check: f["text"] for check, f in found.items()},
              {"library": f"{LIB} is loaded", "thread": "its thread runs", "socket": path,
               "version": "version 0.1.0", "allocator": "its allocator is libc.so.6"})


@fact
def programs_left_out_are_told_so():
    with Place() as place, host(place, only="nginx,redis-*") as program:
        process("only", "MTPRELOAD_ONLY=nginx,redis-* leaves", program=program)


# A child that the C library does not know of, in which no thread of ours was started.
RAW_CHILD = """
import ctypes, os, time
pid = ctypes.CDLL(None).syscall(56, 17, 0, 0, 0, 0)
if pid:
    print(pid, flush=True)
time.sleep(1000)
"""


@fact
def children_without_a_thread_are_told_so():
    if os.uname().machine != "x86_64":
        return
    for settings, check, text in ((dict(fork="off"), "fork", "MTPRELOAD_FORK=off keeps"),
                                  ({}, "thread", "has no thread of the library")):
        with Place() as place, Program([sys.executable, "-c", RAW_CHILD], stdout=subprocess.PIPE,
                                       env=place.environment(**settings)) as program:
            pid = int(program.process.stdout.readline())
            problem(check, text, of=[pid])
            os.kill(pid, signal.SIGKILL)


@as_root
def a_limit_of_processes_is_named():
    uid = random.randrange(1 << 20, 1 << 30)  # who has no other process on the whole machine

    def limit():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)

    with Place() as place, Program(SLEEP, env=place.environment(), preexec_fn=limit) as program:
        process("limit", f"uid {uid} has 1 processes and threads, and may have 1", program=program)


TRUSTED = """
mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work && cp {lib} /mnt/up && chmod 4755 /mnt/up/* &&
mount -t overlay overlay -o lowerdir={dir},upperdir=/mnt/up,workdir=/mnt/work {dir} &&
exec setpriv --reuid {uid} --clear-groups env LD_PRELOAD=libmtpreload.so {program} 1000
"""


@as_root
def a_library_that_the_loader_trusts_does_nothing_with_more_rights():
    """The one way into such a process: without a slash, setuid, among the system's libraries."""
    with Place() as place:
        program = shutil.copy(shutil.which("sleep"), place.path)
        os.chmod(program, 0o4755)
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        script = TRUSTED.format(lib=LIB, uid=NOBODY, program=program,
                                dir=os.path.dirname(re.search(r"=> (/\S+)/libc", listed).group(1) + "/"))
        overlay = script.replace("exec setpriv", "exit 0; exec setpriv")
        if subprocess.run(["unshare", "--mount", "sh", "-c", overlay], capture_output=True).returncode:
            return  # no such file system here
        with Program(["unshare", "--mount", "sh", "-c", script], env=clean()) as run_:
            wait_for(lambda: os.readlink(f"/proc/{run_.pid}/exe") == program, "exec")
            problem("secure", "the library does nothing there", of=[run_.pid])


@fact
def a_filter_that_refuses_threads_is_suspected():
    if os.uname().machine != "x86_64":
        return
    code = INSTALL + f"install({bpf(REFUSE, 56, 435)!r}, 0)\nimport os\nos.execvp('sleep', " \
                     "['sleep', '1000'])\n"
    with Place() as place, host(place, (sys.executable, "-c", code), only="sleep") as program:
        wait_for(lambda: os.readlink(f"/proc/{program.pid}/exe").endswith("sleep"), "exec")
        process("seccomp", "or refuse threads", program=program)


@fact
def a_filter_that_may_kill_is_not_touched():
    if os.uname().machine != "x86_64":
        return
    code = INSTALL + "sys.stdin.readline()\n" + f"install({bpf(KILL, 288)!r}, 1)\n" \
                     "print('installed', flush=True)\nsys.stdin.readline()\n"
    with Place() as place, Program([sys.executable, "-c", code], env=place.environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        path_of(place, program)
        program.process.stdin.write("go\n")
        program.process.stdin.flush()
        equal(program.process.stdout.readline(), "installed\n")
        process("filter", "it was not asked anything", program=program, level="note")
        equal(run("doctor", env=here(place)).err, "")
        assert pid_lives(program.pid)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(place.socket(program.pid))
            wait_for(lambda: not pid_lives(program.pid), "the filter to kill it")


@fact
def a_program_that_shuts_itself_up_is_left_alone_and_that_is_said():
    if os.uname().machine != "x86_64":
        return
    code = INSTALL.replace('"libc.so.6"', "None") + "sys.stdin.readline()\n" \
        f"install({bpf(KILL, 288)!r}, 0)\nprint('installed', flush=True)\nsys.stdin.readline()\n"
    with Place() as place, Program([sys.executable, "-c", code], env=place.environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        path_of(place, program)
        program.tell("go\n")
        equal(program.hear(), "installed\n")
        process("seccomp", "a program that installs one itself is left alone from then on", program=program)
        assert pid_lives(program.pid)


@fact
def a_process_without_a_socket_tells_where_it_tried():
    with Place() as place, host(place, socket="/nonexistent/x") as program:
        said = process("socket", "MTPRELOAD_SOCKET=/nonexistent/x: /nonexistent does not exist", program=program)
        assert "beside it MTPRELOAD_DIR does nothing" in said["remedy"], said


@as_root
def directories_that_cannot_be_used_are_told_with_their_reasons():
    with Place() as place:
        file = os.path.join(place.path, "file")
        open(file, "w").close()
        own = f"/tmp/mtpreload-{NOBODY}"
        taken = [own] + [f"{own}.{nth}" for nth in range(2, 10)]
        for path in taken:
            os.mkdir(path, 0o700)  # root's
        xdg = os.path.join(place.path, "xdg")
        os.makedirs(xdg + "/mtpreload")
        os.chown(xdg + "/mtpreload", NOBODY, NOBODY)
        os.chmod(xdg + "/mtpreload", 0o755)
        env = clean(LD_PRELOAD=LIB, MTPRELOAD_DIR=file, RUNTIME_DIRECTORY=place.path + ":/x",
                    XDG_RUNTIME_DIR=xdg)
        try:
            with Program(SLEEP, env=env, user=NOBODY, group=NOBODY, extra_groups=[]) as program:
                wait_for(lambda: started(program), "exec")
                found = findings(str(program.pid), status=run("doctor", str(program.pid)).status)
                said = found.get("abstract") or found["socket"]
                assert said["level"] != "ok", found
                for text in (f"{file} is no directory", f"{place.path} cannot be written by it",
                             f"{xdg}/mtpreload is open to others", f"{own} belongs to another user"):
                    assert text in said["text"], said
        finally:
            for path in taken:
                os.rmdir(path)


@fact
def a_process_whose_first_thread_has_ended_is_looked_at():
    code = "import ctypes, sys, threading, time\n" \
           "threading.Thread(target=time.sleep, args=(1000,)).start()\n" \
           "sys.stdin.readline()\n" \
           "ctypes.CDLL(None).syscall(60, 0)\n"
    with Place() as place, Program([sys.executable, "-c", code], env=place.environment(),
                                   stdin=subprocess.PIPE) as program:
        path = path_of(place, program)
        program.process.stdin.write(b"go\n")
        program.process.stdin.flush()
        wait_for(lambda: ") Z " in open(f"/proc/{program.pid}/stat").read(), "the thread's end")
        equal(findings(str(program.pid), status=0)["socket"]["text"], path)


@fact
def a_process_that_has_ended_is_told_so():
    with Program(["true"]) as program:
        wait_for(lambda: ") Z " in open(f"/proc/{program.pid}/stat").read(), "its end")
        done = run("doctor", str(program.pid))
        says(done, 3, "", f"mtctl: process {program.pid} (true) has ended\n")


@fact
def a_stopped_process_is_told_so():
    with Place() as place, host(place) as program:
        path_of(place, program)
        freeze(program)
        process("stopped", "nothing in it answers", program=program)


# Looks like the library at work: a thread of its name, with the library mapped.
FAKE = """
import ctypes, os, socket, threading, time
def run():
    ctypes.CDLL(None).prctl(15, b"mtpreload")
    {what}
    print("there", flush=True)
    time.sleep(1000)
threading.Thread(target=run).start()
"""
LISTEN = """
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.environ["MTPRELOAD_DIR"] + "/mtpreload.%d.sock" % os.getpid())
    s.listen(8)
"""


ABSTRACT = r"""
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0mtpreload.%d" % os.getpid())
    s.listen(8)
    print("there", flush=True)
    while True:
        connection, _ = s.accept()
        for line in connection.makefile("rb"):
            connection.sendall(b'{"jsonrpc":"2.0","result":{"version":"0.0.1"},"id":1}\n')
"""


def fake(place, what, *before, **settings):
    return Program([*before, sys.executable, "-c", FAKE.replace("{what}", what.strip())],
                   env=place.environment(only="nobody", **settings), stdout=subprocess.PIPE)


@fact
def a_socket_without_a_file_is_told_and_so_is_another_version():
    with Place() as place:
        file = os.path.join(place.path, "file")
        open(file, "w").close()
        with fake(place, ABSTRACT, dir=file) as program:
            program.process.stdout.readline()
            process("abstract", "its socket has no file", f"{file} is no directory", program=program, level="note")
            found = findings(str(program.pid), status=0)
            equal(found["socket"]["text"], f"@mtpreload.{program.pid}")
            equal((found["version"]["level"], found["version"]["text"]), ("note", "version 0.0.1, mtctl is 0.1.0"))
        with fake(place, ABSTRACT) as program:
            program.process.stdout.readline()
            process("abstract", f"since no directory was usable: {place.run} looks usable", program=program, level="note")


def network_is_told(code, nth=""):
    with Place() as place, fake(place, code, "unshare", "--net") as program:
        program.process.stdout.readline()
        problem("network", f"its socket is @mtpreload.{program.pid}{nth}, in another network namespace", of=[program.pid])


@alone
def a_socket_of_another_network_is_told():
    network_is_told(ABSTRACT)


# Another process has the first name of this pid.
SECOND = r"""
    first = socket.socket(socket.AF_UNIX)
    first.bind("\0mtpreload.%d" % os.getpid())
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        time.sleep(1000)
    first.close()
    s = socket.socket(socket.AF_UNIX)
    s.bind("\0mtpreload.%d.2" % os.getpid())
    s.listen(8)
"""


@alone
def the_name_that_it_has_itself_in_another_network_is_told():
    network_is_told(SECOND, ".2")


@alone
def a_name_of_another_process_in_another_network_is_not_its_own():
    with Place() as place, fake(place, SECOND.split("    first.close()")[0] + "    first.close()\n", "unshare", "--net") as program:
        program.process.stdout.readline()
        assert "network" not in findings(str(program.pid), status=1)


@fact
def one_that_does_not_answer_is_told_so():
    with Place() as place, fake(place, LISTEN) as program:
        program.process.stdout.readline()
        process("answer", "it does not answer: nothing came within 2 s", program=program)


@fact
def one_that_has_too_many_clients_is_not_taken_for_another_program():
    with Place() as place, host(place) as program, contextlib.ExitStack() as clients:
        path = path_of(place, program)
        for _ in range(64):
            clients.enter_context(Client(path)).call("mt.mem_used")
        found = problem("answer", "it refuses to answer: 503 too many connections", of=[program.pid])
        assert "some of its clients" in found["remedy"], found
        equal([row["error"] for row in json.loads(run("-j", "-s", path, "ls").out)], ["refuses to answer"])


@fact
def a_name_that_another_holds_is_told():
    with Place() as place, fake(place, "") as program:
        program.process.stdout.readline()
        with Server(path=place.socket(program.pid)):
            process("reach", f"process {os.getpid()} listens on {place.socket(program.pid)}",
                    program=program, env=here(place))


@fact
def a_library_by_another_name_is_told_to_be_there():
    for name, said in (("libmtpreload.so.0.1", "{} is loaded"),
                       ("renamed.so", "the library, by another name than libmtpreload.so, is loaded")):
        with Place() as place:
            copy = shutil.copy(LIB, os.path.join(place.path, name))
            with Program(SLEEP, env=dict(place.environment(), LD_PRELOAD=copy)) as program:
                path = path_of(place, program)
                found = findings(str(program.pid), status=0)
                equal((found["library"]["text"], found["socket"]["text"]), (said.format(copy), path))
                assert f"{program.pid} (sleep): {path}" in run("doctor").out


@fact
def a_second_copy_does_no_harm_and_is_told():
    with Place() as place:
        copy = shutil.copy(LIB, place.path)
        env = dict(place.environment(), LD_PRELOAD=f"{LIB}:{copy}")
        with Program(SLEEP, env=env) as program:
            path_of(place, program)
            said = process("copies", "2 copies of the library", "the others only pass calls on", program=program,
                           level="note")
            with open(f"/proc/{program.pid}/status") as status:
                assert "\nThreads:\t2\n" in status.read(), "the second copy has a thread"
            assert LIB in said["text"] and copy in said["text"], said


@fact
def a_replaced_library_is_told():
    with Place() as place:
        copy = shutil.copy(LIB, place.path)
        with Program(SLEEP, env=dict(place.environment(), LD_PRELOAD=copy)) as program:
            path_of(place, program)
            os.unlink(copy)
            process("replaced", "replaced or removed", program=program, level="note")


@fact
def a_process_with_an_allocator_of_its_own_is_told():
    path = os.path.join(BUILD, "tests/host_own_malloc")
    with Place() as place, Program([path], env=place.environment(), stdin=subprocess.PIPE) as program:
        path_of(place, program)
        process("allocator", "to which its calls go straight", program=program)


@fact
def wrong_settings_are_told():
    with Place() as place, host(place, touch="maybe") as program:
        path_of(place, program)
        process("settings", "MTPRELOAD_TOUCH", program=program)


@fact
def a_tracer_is_named():
    with Place() as place, host(place) as program:
        path_of(place, program)
        equal(LIBC.ptrace(0x4206, program.pid, None, None), 0, "PTRACE_SEIZE")
        try:
            process("traced", f"it is traced by {os.getpid()} (", program=program, level="note")
        finally:
            equal(LIBC.ptrace(0x4207, program.pid, None, None), 0, "PTRACE_INTERRUPT")
            wait_for(lambda: "\nState:\tt" in open(f"/proc/{program.pid}/status").read(), "the stop")
            try:
                process("stopped", "stopped by its tracer", program=program)
            finally:  # the stop would be taken for its end
                equal(LIBC.ptrace(17, program.pid, None, None), 0, "PTRACE_DETACH")


@alone
def another_pid_namespace_is_told():
    with Place() as place, Program(["unshare", "--pid", "--fork", "--kill-child", "env",
                                    f"LD_PRELOAD={LIB}", f"MTPRELOAD_DIR={place.run}", *SLEEP],
                                   env=clean()) as outer:
        path = f"/proc/{outer.pid}/task/{outer.pid}/children"
        pid = int(wait_for(lambda: open(path).read(), "the child").split()[0])
        wait_for(lambda: os.path.exists(place.socket(1)), "its socket")
        problem("namespace", "where it is 1: sockets have that number", of=[pid], level="note")


@as_root
def another_user_s_process_cannot_be_looked_at():
    with Place() as place, host(place) as program:
        path_of(place, program)
        tool = shutil.copy(MTCTL, place.path)
        says(run("doctor", str(program.pid), user=NOBODY, group=NOBODY, extra_groups=[], binary=tool), 3,
             "", f"mtctl: uid {NOBODY} may not look into process {program.pid} (sleep) of uid 0 (run "
                 "mtctl as that user, or as root)\n")


@as_root
def a_process_that_gave_up_rights_is_for_root_alone():
    with Place() as place, Program([os.path.join(BUILD, "tests/host_setuid")], env=place.environment(),
                                   text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        path_of(place, program)
        program.tell()
        equal(program.hear(), "uid 65534\n")
        tool = shutil.copy(MTCTL, place.path)
        says(run("doctor", str(program.pid), user=65534, group=65534, extra_groups=[], binary=tool), 3, "",
             f"mtctl: uid 65534 may not look into process {program.pid} (host_setuid) of uid 65534 (it had other "
             "rights before, so the kernel keeps it from its user: run mtctl as root)\n")


@as_root
def a_process_with_more_rights_than_its_user_is_for_root_alone():
    """By its capabilities, as a service has them; or by ids that differ."""
    held = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+dac_override,+kill",
            "--ambient-caps=+dac_override,+kill", *SLEEP]
    switched = [sys.executable, "-c", "import os, time; os.setresuid(0, 65534, 0); time.sleep(1000)"]
    why = {"it holds cap_dac_override, cap_kill: only root may command it": held,
           "its real, effective and saved uid differ (0, 65534, 0): only root may command it": switched}
    for text, argv in why.items():
        with Place() as place, host(place, argv) as program:
            wait_for(lambda: argv is switched or name_of(program) == "sleep", "exec")
            wait_for(lambda: "\t65534\t" in open(f"/proc/{program.pid}/status").read(), "its other user")
            path_of(place, program)
            problem("rights", text, of=[program.pid], level="note")
            tool = shutil.copy(MTCTL, place.path)
            says(run("doctor", str(program.pid), user=65534, group=65534, extra_groups=[], binary=tool), 3, "",
                 f"mtctl: uid 65534 may not look into process {program.pid} ({name_of(program)}) of uid 65534 "
                 f"({text})\n")
            user = dict(user=65534, group=65534, extra_groups=[], binary=tool, env=here(place))
            equal([i["error"] for i in json.loads(run("ls", "-j", **user).out)], ["only root may ask"])
            says(run("mt.mem_used", **user), 3, "", f"mtctl: process {program.pid} ({name_of(program)}) does not accept "
                 f"uid 65534: {text}\n")
            freeze(program)  # which hangs up on nobody; the kernel refuses the other's file all the same
            equal([i["error"] for i in json.loads(run("ls", "-j", **user).out)],
                  ["only root may ask" if argv is switched else "not answering"])


@as_root
def a_process_in_a_rootless_namespace_has_a_place_of_its_own_and_is_found():
    """uid 0 there meets root's directory. Both namespaces are one user's, whose mtctl finds them, as root's does."""
    os.makedirs("/tmp/mtpreload-0", 0o700, exist_ok=True)
    env = clean(LD_PRELOAD=LIB)
    user = dict(user=NOBODY, group=NOBODY, extra_groups=[])
    with Place() as place:
        tool = shutil.copy(MTCTL, place.path)
        argv = ["env", "LD_PRELOAD=", "unshare", "-Ur", "env", f"LD_PRELOAD={LIB}", *SLEEP]
        need(subprocess.run(["unshare", "-Ur", "true"], capture_output=True, **user).returncode == 0,
             "users may have no namespace")
        with Program(argv, env=env, **user) as one, Program(argv, env=env, **user) as two:
            for program in (one, two):
                wait_for(lambda: name_of(program) == "sleep", "exec")
                path = f"/tmp/mtpreload-0.2/mtpreload.{program.pid}.sock"
                wait_for(lambda: os.path.exists(path), path)
                for options in (user, {}):
                    says(run("-p", str(program.pid), "mt.mem_used", binary=tool, **options), 0, "0\n")
                inside = ["nsenter", "-U", "-t", str(program.pid), tool, "-p", str(program.pid), "mt.mem_used"]
                equal(subprocess.run(inside, env=clean(), capture_output=True, text=True).stdout, "0\n")
                problem("users", f"in another user namespace, where uid {NOBODY} is 0", of=[program.pid], level="note")
            listed = run("ls", "-j", binary=tool, **user).out
            for program in (one, two):
                assert f'"pid":{program.pid},' in listed.replace(" ", ""), listed


run_facts()
