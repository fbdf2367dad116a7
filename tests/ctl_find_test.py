#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How mtctl finds instances, chooses among them, lists and starts them. With nothing but the test's own
instances on the machine, as far as the system lets us."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from ctl import ISOLATED, Server, alone, clean, freeze, host, isolate, path_of, result_of, run, says
from harness import (LIB, MTCTL, PATIENCE_S, Place, Program, children, equal, fact, run_facts,
                     wait_for)

isolate()

SLEEP = ("sleep", "1000")
PYTHON = (sys.executable, "-c", "import time; time.sleep(1000)")
HEADER = "PID  PARENT  NAME  UID  UPTIME  ALLOCATOR  HELD  SOCKET\n"
NONE = "mtctl: no instance is running (start one: mtctl run -- PROGRAM [ARG]...)\n"


def here(place):
    return clean(MTPRELOAD_DIR=place.run)


def name_of(program):
    with open(f"/proc/{program.pid}/comm") as comm:
        return comm.read().rstrip("\n")


def is_root():
    """Not only in a namespace of our own: with other users to become."""
    with open("/proc/self/uid_map") as uids:
        return os.geteuid() == 0 and int(uids.read().split()[2]) > 1


# Choosing.

@alone
def without_any_instance_it_says_how_to_start_one():
    says(run("mt.mem_used"), 3, "", NONE)
    says(run("--all", "mt.mem_used"), 3, "", NONE)
    says(run("-", stdin="mt.mem_used\n"), 3, "", NONE)
    says(run("-j", "mt.mem_used"), 3, '{"error":{"code":3,"message":"no instance is running '
         '(start one: mtctl run -- PROGRAM [ARG]...)"}}\n')


@alone
def the_only_instance_needs_no_name():
    with Place() as place, host(place) as program:
        path_of(place, program)
        says(run("mt.mem_used", env=here(place)), 0, "0\n")


@alone
def several_instances_are_listed_and_none_is_taken():
    with Place() as place, host(place) as one, host(place, PYTHON) as two:
        path_of(place, one), path_of(place, two)
        names = ", ".join(f"{p.pid} {name_of(p)}" for p in sorted((one, two), key=lambda p: p.pid))
        says(run("mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are running: {names} (choose with -p PID or -n NAME, or --all for "
             "each)\n")


@fact
def pid_chooses():
    with Place() as place, host(place) as one, host(place) as two:
        path_of(place, one), path_of(place, two)
        says(run("-p", str(one.pid), "mt.mem_alloc", "5", env=here(place)), 0)
        says(run("-p", str(one.pid), "mt.mem_used", env=here(place)), 0, "5\n")
        says(run("-p", str(two.pid), "mt.mem_used", env=here(place)), 0, "0\n")


@fact
def pid_without_the_library_is_told_so():
    with Program(SLEEP, env=clean()) as plain:
        wait_for(lambda: name_of(plain) == "sleep", "exec")
        says(run("-p", str(plain.pid), "mt.mem_used"), 3, "",
             f"mtctl: process {plain.pid} (sleep) runs without the library (start it with mtctl run -- "
             "PROGRAM)\n")
    says(run("-p", str(plain.pid), "mt.mem_used"), 3, "", f"mtctl: there is no process {plain.pid}\n")


@fact
def pid_with_the_library_but_no_socket_is_told_so():
    with Place() as place, host(place, socket="/nonexistent/x") as program:
        library = os.path.basename(LIB)
        wait_for(lambda: library in open(f"/proc/{program.pid}/maps").read(), "the library")
        says(run("-p", str(program.pid), "mt.mem_used"), 3, "",
             f"mtctl: process {program.pid} (sleep) has the library but no socket (it appears 50 ms "
             "after the start, where a directory for it can be written)\n")


@fact
def name_chooses_by_comm_or_program():
    with Place() as place, host(place) as one, host(place, PYTHON) as two:
        path_of(place, one), path_of(place, two)
        pid = re.compile(r"(?m)^\tpid +: (\d+)$")
        program = os.path.basename(os.path.realpath(sys.executable))
        for name, wanted in (("sleep", one), (name_of(two), two), (program, two), ("sl*p", one),
                             ("py*", two)):
            done = run("-n", name, "mt.info", env=here(place))
            equal((done.status, done.err), (0, ""))
            equal(int(pid.search(done.out).group(1)), wanted.pid, name)


@fact
def name_that_is_nobody_s_names_the_nearest():
    with Place() as place, host(place) as program:
        path_of(place, program)
        says(run("-n", "slepp", "mt.info", env=here(place)), 3, "",
             "mtctl: no instance is called slepp, did you mean sleep?\n")
        says(run("-n", "qqqqqq", "mt.info", env=here(place)), 3, "",
             "mtctl: no instance is called qqqqqq (mtctl ls shows all)\n")


@fact
def name_of_several_lists_them_and_all_takes_them():
    with Place() as place, host(place) as a, host(place) as b, host(place, PYTHON) as other:
        path_of(place, a), path_of(place, b), path_of(place, other)
        one, two = sorted((a.pid, b.pid))
        says(run("-n", "sleep", "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are called sleep: {one} sleep, {two} sleep (choose with -p PID, or "
             "--all for each)\n")
        says(run("-n", "sleep", "--all", "mt.mem_used", env=here(place)), 0,
             f"# {one} sleep\n0\n# {two} sleep\n0\n")
        says(run("-n", "sleep", "--all", "-", stdin="mt.mem_used\n" * 2, env=here(place)), 0,
             f"# {one} sleep\n0\n# {two} sleep\n0\n" * 2)


@fact
def exact_name_goes_before_pattern():
    with Place() as place:
        star = os.path.join(place.path, "s*")
        shutil.copy(shutil.which("sleep"), star)
        with host(place) as one, host(place, (star, "1000")) as two:
            path_of(place, one), path_of(place, two)
            done = run("-n", "s*", "-j", "mt.info", env=here(place))
            equal(json.loads(done.out)["pid"], two.pid)


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
        return [json.loads(line)["pid"] for line in done.out.splitlines()]


@fact
def role_is_a_word_of_the_title():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Place() as place, Family(place, "d: master process", "d: worker process",
                                  "d: cache-loader process") as family:
        one, two = family.workers
        for role, wanted in (("master", [family.master]), ("worker", [one]), ("cache-loader", [two]),
                             ("process", [family.master, one, two]), ("process:2", [one]),
                             (":3", [two]), ("", [family.master, one, two]), ("worker:", [one]),
                             ("child", [one, two]), ("parent", [family.master])):
            equal(family.chosen(f"{python}:{role}"), wanted, role)
        equal(family.chosen("py*:cache-loader:1"), [two])
        equal(family.chosen(":cache-loader"), [two])


@fact
def role_is_who_started_whom_where_titles_do_not_tell():
    python = os.path.basename(os.path.realpath(sys.executable))
    for titles in ((), ("app worker",) * 3):
        with Place() as place, Family(place, *titles) as family, host(place) as other:
            path_of(place, other)
            for role, wanted in (("master", [family.master]), ("parent", [family.master]),
                                 ("worker", family.workers), ("child", family.workers),
                                 ("worker:2", family.workers[1:]), ("child:1", family.workers[:1])):
                equal(family.chosen(f"{python}:{role}"), wanted, role)
            equal(family.chosen("sleep:master"), [other.pid])


@fact
def role_that_nobody_has_lists_who_there_is():
    with Place() as place, host(place) as program:
        path_of(place, program)
        for name, status, text in (
                ("sleep:worker", 3, "no instance of -n sleep:worker is a 'worker': "
                 f"{program.pid} sleep 1000 (a word of these, or master, worker)"),
                ("sleep::2", 3, f"-n sleep::2: there is only 1: {program.pid} sleep 1000"),
                ("slepp:worker", 3, "no instance is called slepp, did you mean sleep?"),
                ("sleep:master:0", 2, "-n 'sleep:master:0': the index is a number, from 1 "
                 "(NAME:ROLE:INDEX, as in nginx:worker:1)"),
                ("sleep:master:1x", 2, "-n 'sleep:master:1x': the index is a number, from 1 "
                 "(NAME:ROLE:INDEX, as in nginx:worker:1)")):
            says(run("-n", name, "mt.info", env=here(place)), status, "", f"mtctl: {text}\n")


@fact
def several_of_a_role_are_listed_and_all_takes_them():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Place() as place, Family(place) as family:
        one, two = family.workers
        name = f"{python}:worker"
        says(run("-n", name, "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are called {name}: {one} {name_of(family.program)}, {two} "
             f"{name_of(family.program)} (choose with -p PID, or --all for each)\n")
        equal(run("-n", name, "--all", "mt.mem_used", env=here(place)).out.count("\n0\n"), 2)
        equal(run("ls", "-n", f"{name}:2", env=here(place)).out.count("\n"), 2)


@fact
def a_name_with_a_colon_goes_before_a_role():
    with Place() as place:
        path = shutil.copy(shutil.which("sleep"), os.path.join(place.path, "a:b"))
        with host(place, (path, "1000")) as program:
            path_of(place, program)
            says(run("-n", "a:b", "mt.mem_used", env=here(place)), 0, "0\n")


@alone
def all_gives_the_worst_status_and_each_answer():
    with Place() as place, host(place) as a, host(place) as b:
        path_of(place, a), path_of(place, b)
        run("-p", str(a.pid), "mt.mem_test_start", "1", "1", "1", "1h", "1h", "1h", env=here(place))
        done = run("--all", "-j", "mt.mem_test_stop", "1", env=here(place))
        fault = {"code": 400, "message": "test 1 not found (mt.mem_test_list shows all)"}
        lines = {a.pid: {"pid": a.pid, "name": "sleep", "result": None},
                 b.pid: {"pid": b.pid, "name": "sleep", "error": fault}}
        equal((done.status, done.err), (1, ""))
        equal([json.loads(line) for line in done.out.splitlines()], [lines[p] for p in sorted(lines)])
        freeze(b)
        done = run("--all", "-t", "0.2", "mt.mem_used", env=here(place))
        equal(done.status, 4)
        assert f"# {a.pid} sleep\n0\n" in done.out and f"# {b.pid} sleep\n" in done.out


# Sockets that are not what they seem.

@fact
def a_dead_socket_is_unreachable():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        program.process.kill()
        program.process.wait()
        says(run("-s", path, "mt.mem_used"), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")
        says(run("-p", str(program.pid), "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")


@fact
def a_path_without_a_socket_is_unreachable():
    says(run("-s", "/nonexistent/x", "mt.mem_used"), 3, "",
         "mtctl: cannot connect to /nonexistent/x: No such file or directory\n")
    with Place() as place:
        path = os.path.join(place.path, "file")
        open(path, "w").close()
        says(run("-s", path, "mt.mem_used"), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")
    long = "/tmp/" + "x" * 200
    says(run("-s", long, "mt.mem_used"), 3, "", f"mtctl: cannot connect to {long}: No such file or "
                                                "directory\n")


@fact
def a_foreign_socket_is_refused_unless_named():
    with Place() as place, Program(SLEEP, env=clean()) as plain:
        path = place.socket(plain.pid)
        with Server(result_of("7"), path=path):
            says(run("-p", str(plain.pid), "mt.mem_used", env=here(place)), 3, "",
                 f"mtctl: a foreign socket: process {os.getpid()} listens on {path}, not the process "
                 "that its name says (-s SOCKET takes it all the same)\n")
            if ISOLATED in os.environ:
                done = run("mt.mem_used", env=here(place))
                equal((done.status, done.out), (3, ""))
                assert "a foreign socket" in done.err, done.err
                says(run("ls", env=here(place)), 0, HEADER)
            says(run("-s", path, "mt.mem_used"), 0, "7\n")


@fact
def another_user_s_instance_needs_permission():
    if not is_root():
        return  # there is no other user to become
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        tool = shutil.copy(MTCTL, place.path)
        nobody = dict(user=65534, group=65534, extra_groups=[], binary=tool)
        says(run("-s", path, "mt.mem_used", **nobody), 3, "",
             f"mtctl: no permission for {path} (run mtctl as the user of the process, or as root)\n")
        for words in (["-p", str(program.pid)], []):
            says(run(*words, "mt.mem_used", env=here(place), **nobody), 3, "",
                 f"mtctl: no permission for {path} (run mtctl as the user of the process, or as "
                 "root)\n")
        says(run("-p", str(program.pid), "mt.mem_used", **nobody), 3, "",
             f"mtctl: no socket of process {program.pid} (sleep) was found, and uid 65534 may not look "
             "into it (run mtctl as its user, or as root)\n")
        says(run("ls", env=here(place), **nobody), 0, HEADER)


@fact
def a_socket_that_changes_hands_is_noticed():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Program([MTCTL, "-p", str(program.pid), "-"], env=here(place), text=True,
                     stdin=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            waiting.process.stdin.write("ls\n")
            waiting.process.stdin.flush()
            assert waiting.process.stderr.readline()  # it has found its target
            os.unlink(path)
            with Server(result_of("7"), path=path):
                said = waiting.process.communicate("mt.mem_used\n", timeout=PATIENCE_S)[1]
        equal((waiting.process.returncode, said), (
            3, f"mtctl: a foreign socket: process {os.getpid()} listens on {path}, not the process "
            "that its name says (-s SOCKET takes it all the same)\n"))


# Finding.

def found(program, env=None):
    """mtctl finds the program by its pid and, where nothing else runs, by itself."""
    said = run("-p", str(program.pid), "mt.mem_used", env=env)
    equal(said.all(), (0, "0\n", ""))
    if ISOLATED in os.environ:
        says(run("mt.mem_used", env=env), 0, "0\n")


@fact
def finds_a_directory_that_only_the_process_knows():
    with Place() as place, host(place) as program:
        path_of(place, program)
        found(program)


@fact
def finds_the_directories_of_the_environment():
    for variable, tail in (("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "/mtpreload")):
        with Place() as place:
            os.chmod(place.run, 0o700)
            env = clean(LD_PRELOAD=LIB, **{variable: place.run})
            if variable == "XDG_RUNTIME_DIR" and os.path.isdir("/run/mtpreload"):
                continue  # that one goes before
            with Program(SLEEP, env=env) as program:
                path = f"{place.run}{tail}/mtpreload.{program.pid}.sock"
                wait_for(lambda: os.path.exists(path), path)
                found(program)
                found(program, clean(**{variable: place.run}))


@fact
def finds_a_fixed_socket():
    for name, expanded in (("a.sock", "a.sock"), ("b.%p.sock", "b.{}.sock")):
        with Place() as place, host(place, socket=f"{place.run}/{name}") as program:
            path = os.path.join(place.run, expanded.format(program.pid))
            wait_for(lambda: os.path.exists(path), path)
            found(program)


@fact
def finds_the_second_user_of_a_fixed_socket():
    with Place() as place:
        fixed = f"{place.run}/a.sock"
        with host(place, socket=fixed) as one:
            wait_for(lambda: os.path.exists(fixed), fixed)
            with host(place, socket=fixed) as two:
                second = f"{fixed}.{two.pid}"
                wait_for(lambda: os.path.exists(second), second)
                for program in (one, two):
                    done = run("-p", str(program.pid), "-j", "mt.info")
                    equal(json.loads(done.out)["pid"], program.pid)
                os.unlink(second)
                done = run("-p", str(two.pid), "mt.mem_used")
                equal((done.status, done.out), (3, ""))
                assert "has the library but no socket" in done.err, done.err


@fact
def finds_a_path_longer_than_an_address_holds():
    with Place() as place:
        place.run = os.path.join(place.path, "x" * 120)
        os.mkdir(place.run)
        with host(place) as program:
            path = path_of(place, program)
            found(program)
            found(program, here(place))
            says(run("-s", path, "mt.mem_used"), 0, "0\n")


OVERWRITE = r"""
import time
with open("/proc/self/stat") as stat:
    start, end = map(int, stat.read().rsplit(")", 1)[1].split()[47:49])
with open("/proc/self/mem", "r+b", buffering=0) as mem:
    mem.seek(start)
    mem.write(b"\0" * (end - start))
time.sleep(1000)
"""


@fact
def finds_a_daemon_that_wrote_over_its_environment():
    with Place() as place, host(place, (sys.executable, "-c", OVERWRITE)) as program:
        path_of(place, program)
        wait_for(lambda: not open(f"/proc/{program.pid}/environ").read().strip("\0"), "the title")
        found(program)


def inner_pid(pid):
    with open(f"/proc/{pid}/status") as status:
        return re.search(r"(?m)^NSpid:.*\t(\d+)$", status.read()).group(1)


def contained(place, *unshare):
    """A program in namespaces of its own, as a container has them; its pid is that of unshare's
    child."""
    with open("/proc/self/status") as status:
        assert "NSpid" in status.read()
    spaces = ["unshare", "--pid", "--fork", "--kill-child", *unshare]
    if os.geteuid():
        spaces += ["--user", "--map-root-user"]
    # Only the program itself: unshare under the library would be an instance as well.
    return Program(spaces + ["env", f"LD_PRELOAD={LIB}", f"MTPRELOAD_DIR={place.run}", *SLEEP],
                   env=clean())


def child_of(program):
    path = f"/proc/{program.pid}/task/{program.pid}/children"
    return int(wait_for(lambda: open(path).read(), "the child").split()[0])


@alone
def takes_the_pid_that_the_caller_sees():
    with Place() as place, contained(place) as outer:
        pid = child_of(outer)
        path = place.socket(1)
        wait_for(lambda: os.path.exists(path), path)
        equal(inner_pid(pid), "1")
        for env in (clean(), here(place)):
            says(run("-p", str(pid), "mt.mem_used", env=env), 0, "0\n")
        line = [i for i in json.loads(run("ls", "-j", env=here(place)).out) if i["pid"] == pid]
        equal([(i["parent"], i["socket"]) for i in line], [(outer.pid, path)])


@alone
def reaches_a_process_with_another_tmp():
    with Place() as place:
        script = f'mount -t tmpfs tmpfs {place.run} && exec env LD_PRELOAD={LIB} sleep 1000'
        spaces = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
        with Program(spaces + ["sh", "-c", script], env=here(place)) as program:
            inside = f"/proc/{program.pid}/root{place.socket(program.pid)}"
            wait_for(lambda: os.path.exists(inside), inside)
            equal(os.listdir(place.run), [])
            found(program)
            found(program, here(place))
            says(run("-s", inside, "mt.mem_used"), 0, "0\n")


def line_of(pid):
    """What ls says of a process."""
    done = run("ls", "-j")
    equal((done.status, done.err), (0, ""))
    return next((i for i in json.loads(done.out) if i["pid"] == pid), None)


PRIVATE = """
mount --bind {library} /mnt && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp &&
exec env LD_PRELOAD=/mnt/{name} sleep 1000
"""


@alone
def ls_finds_a_process_with_a_private_tmp():
    library, name = os.path.split(LIB)
    script = PRIVATE.format(library=library, name=name)
    spaces = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
    with Program(spaces + ["sh", "-c", script], env=clean()) as program:
        own = f"/tmp/mtpreload-0/mtpreload.{program.pid}.sock"
        path = f"/proc/{program.pid}/root{own}"
        wait_for(lambda: os.path.exists(path), path)
        assert not os.path.exists(own)
        line = line_of(program.pid)
        equal((line["name"], line["held"], line["socket"]), ("sleep", 0, path))
        says(run("-s", line["socket"], "mt.mem_used"), 0, "0\n")


def jail(place):
    """A root directory with all that sleep needs."""
    root = os.path.join(place.path, "jail")
    os.makedirs(os.path.join(root, "dir"))
    listed = subprocess.run(["ldd", shutil.which("sleep"), LIB], capture_output=True, text=True)
    files = set(re.findall(r"(/\S+) \(0x", listed.stdout)) | {shutil.which("sleep")}
    for file in files:
        os.makedirs(root + os.path.dirname(file), exist_ok=True)
        shutil.copy(file, root + file)
    shutil.copy(LIB, root)
    return root


@alone
def ls_finds_a_process_in_another_root():
    with Place() as place:
        root = jail(place)
        env = {"LD_PRELOAD": "/" + os.path.basename(LIB), "MTPRELOAD_DIR": "/dir"}
        with Program([shutil.which("sleep"), "1000"], env=env,
                     preexec_fn=lambda: os.chroot(root)) as program:
            outside = f"{root}/dir/mtpreload.{program.pid}.sock"
            wait_for(lambda: os.path.exists(outside), outside)
            line = line_of(program.pid)
            equal(line["socket"], f"/proc/{program.pid}/root/dir/mtpreload.{program.pid}.sock")
            equal(line["held"], 0)
            found(program)


# A process with the library in it, which is told not to work there, and an abstract socket.
ABSTRACT = r"""
import os, socket
s = socket.socket(socket.AF_UNIX)
s.bind(b"\0mtpreload.%d" % (os.getpid() + int(os.environ["OFFSET"])))
s.listen(8)
print("listening", flush=True)
while True:
    connection, _ = s.accept()
    for line in connection.makefile("rb"):
        result = '{"allocator":"abstract","uptime_s":1}' if b"mt.info" in line else '{"held":77}'
        connection.sendall(b'{"jsonrpc":"2.0","result":%s,"id":1}\n' % result.encode())
"""


def abstract(place, offset=0):
    env = dict(place.environment(only="nobody"), OFFSET=str(offset))
    return Program([sys.executable, "-c", ABSTRACT], env=env, stdout=subprocess.PIPE)


@fact
def finds_an_abstract_socket():
    with Place() as place, abstract(place) as program:
        program.process.stdout.readline()
        name = f"@mtpreload.{program.pid}"
        line = line_of(program.pid)
        equal((line["allocator"], line["held"], line["socket"]), ("abstract", 77, name))
        for target in (["-s", name], ["-p", str(program.pid)]):
            equal(json.loads(run(*target, "-j", "mt.status").out), {"held": 77})
    says(run("-s", name, "mt.status"), 3, "", f"mtctl: nobody listens on {name}: its process has ended, "
                                              "or it is no socket (mtctl ls shows the live ones)\n")


@fact
def an_abstract_socket_of_another_process_is_not_taken():
    with Place() as place, abstract(place, 1 << 23) as program:
        program.process.stdout.readline()
        equal(line_of(program.pid), None)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"\0mtpreload.{program.pid}")
            other.listen(8)
            equal(line_of(program.pid), None)
            done = run("-p", str(program.pid), "mt.status")
            equal((done.status, done.out), (3, ""))


@alone
def does_not_find_itself():
    """So many names that the search goes on when mtctl, under the library, has a socket as well."""
    with Place() as place:
        place.run = "/tmp/mtpreload-many"
        os.mkdir(place.run, 0o700)
        for pid in range(1_000_000, 1_005_000):
            os.mkdir(place.socket(pid))  # a directory, which nobody prunes
        with host(place) as program:
            path_of(place, program)
            for _ in range(3):
                done = subprocess.run([MTCTL, "ls", "-j"], env=place.environment(),
                                      capture_output=True, timeout=PATIENCE_S)
                equal([i["pid"] for i in json.loads(done.stdout)], [program.pid])
        shutil.rmtree(place.run)


# ls.

@alone
def ls_of_nothing_is_a_header():
    says(run("ls"), 0, HEADER)
    says(run("ls", "-j"), 0, "[]\n")


@fact
def ls_shows_each_instance_in_columns():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        run("-p", str(program.pid), "mt.mem_alloc", "10", "m", env=here(place))
        done = run("ls", "-p", str(program.pid), env=here(place))
        equal((done.status, done.err), (0, ""))
        header, line = done.out.splitlines()
        equal(line.split()[:4], [str(program.pid), str(os.getpid()), "sleep", str(os.geteuid())])
        assert re.fullmatch(r"\d+s", line.split()[4]), line
        equal(line.split()[5:], ["libc.so.6", "10485760", path])
        for word in ("NAME", "ALLOCATOR", "SOCKET"):  # to the left
            at = header.index(word)
            equal((line[at - 1], line[at] != " "), (" ", True), word)
        for word in ("PID", "PARENT", "UID", "UPTIME", "HELD"):  # to the right
            at = header.index(word) + len(word)
            equal((line[at - 1] != " ", line[at:at + 1]), (True, " "), word)


@fact
def ls_gives_an_array():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        done = run("ls", "-j", "-n", "sleep", env=here(place))
        equal((done.status, done.err), (0, ""))
        equal([(list(i), i["held"], i["parent"], i["name"], i["uid"], i["socket"])
               for i in json.loads(done.out) if i["pid"] == program.pid],
              [(["pid", "parent", "name", "uid", "uptime_s", "allocator", "held", "socket"], 0,
                os.getpid(), "sleep", os.geteuid(), path)])


@fact
def ls_does_not_wait_for_a_stopped_instance():
    with Place() as place, host(place) as one, host(place) as two, host(place, PYTHON) as live:
        for program in (one, two, live):
            path_of(place, program)
        freeze(one)
        freeze(two)
        start = time.monotonic()
        done = run("ls", env=here(place))
        assert time.monotonic() - start < 1.9, "each second was waited for on its own"
        equal((done.status, done.err), (0, ""))
        for program in (one, two):
            line = next(l for l in done.out.splitlines() if l.split()[0] == str(program.pid))
            assert re.search(r" +-  not answering +-  /", line), line
        assert any(l.split()[0] == str(live.pid) and "not answering" not in l
                   for l in done.out.splitlines()), done.out
        one_of = {i["pid"]: i for i in json.loads(run("ls", "-j", env=here(place)).out)}
        equal(one_of[two.pid], {"pid": two.pid, "parent": os.getpid(), "name": "sleep",
                                "uid": os.geteuid(), "error": "not answering",
                                "socket": place.socket(two.pid)})


@fact
def ls_removes_names_of_dead_processes():
    with Place() as place, host(place) as dead, host(place) as live:
        path_of(place, dead), path_of(place, live)
        dead.process.kill()
        dead.process.wait()
        equal(len(place.names()), 2)
        done = run("ls", env=here(place))
        equal(place.names(), [os.path.basename(place.socket(live.pid))])
        assert str(dead.pid) not in [line.split()[0] for line in done.out.splitlines()]


@fact
def ls_takes_no_words():
    says(run("ls", "x"), 2, "", "mtctl: 'x' is too much: ls takes -p, -n or -s\n")


@fact
def ls_shows_a_name_without_its_control_characters():
    title = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a\\n\\x1b[2J'); time.sleep(1000)"
    with Place() as place, host(place, (sys.executable, "-c", title)) as program:
        path_of(place, program)
        wait_for(lambda: name_of(program).startswith("a\n"), "the name")
        line = run("ls", "-p", str(program.pid), env=here(place)).out.splitlines()[1]
        equal(line.split()[2], "a??[2J")
        says(run("--all", "-p", str(program.pid), "mt.mem_used", env=here(place)), 0,
             f"# {program.pid} a??[2J\n0\n")


# run.

SHOW = ("sh", "-c", 'echo "$LD_PRELOAD|$MTPRELOAD_TOUCH|$MTPRELOAD_LOG|$MTPRELOAD_ONLY|$*"', "x")


@fact
def run_puts_the_library_in_front():
    says(run("run", "--", *SHOW, "a", "--json", "-p"), 0, f"{LIB}||||a --json -p\n")
    says(run("run", *SHOW, "a"), 0, f"{LIB}||||a\n")
    says(run("run", "env", env=clean(LD_PRELOAD="")).out.count("LD_PRELOAD=" + LIB + "\n") == 1 and
         run("--version"), 0, "mtctl 0.1.0\n")
    other = LIB  # any library that can be loaded
    says(run("run", "--", *SHOW, env=clean(LD_PRELOAD=other)), 0, f"{LIB}:{other}||||\n")


@fact
def run_makes_an_instance():
    with Place() as place, Program([MTCTL, "run", "--set", "touch=0", "--", *SLEEP],
                                   env=here(place)) as program:
        path = path_of(place, program)
        says(run("-s", path, "cfg.get", "malloc_test", "touch"), 0, "0\n")


@fact
def run_passes_settings_and_programs():
    says(run("run", "--set", "touch=0", "--set=log=/a=b", "--only", "x,y*", "--", *SHOW), 0,
         f"{LIB}|0|/a=b|x,y*|\n")


@fact
def run_refuses_wrong_options():
    for bad in ("touch", "=1", "Touch=1", "a b=1", "x" * 200 + "=1"):
        says(run("run", "--set", bad, "--", "true"), 2, "",
             f"mtctl: --set '{bad}' is no setting (NAME=VALUE, as in touch=0; mtctl cfg.list)\n")
    says(run("run", "--st", "a=1", "--", "true"), 2, "",
         "mtctl: unknown option --st, did you mean --set?\n")
    says(run("run", "-x", "true"), 2, "", "mtctl: unknown option -x (mtctl --help)\n")
    says(run("run", "--only"), 2, "", "mtctl: --only needs a value: PATTERN\n")
    for nothing in ([], ["--"], ["--set", "touch=0"]):
        says(run("run", *nothing), 2, "",
             "mtctl: run what? (mtctl run [--set K=V]... -- PROGRAM [ARG]...)\n")


@fact
def run_ends_as_env_does_where_the_program_cannot_start():
    says(run("run", "--", "no-such-program", env=clean(PATH="/usr/bin:/bin")), 127, "",
         "mtctl: cannot run no-such-program: No such file or directory\n")
    says(run("run", "--", "/etc/passwd"), 126, "", "mtctl: cannot run /etc/passwd: Permission denied\n")
    equal(run("run", "--", "sh", "-c", "exit 9").status, 9)


@fact
def run_finds_an_installed_library():
    with Place() as place:
        for dir in ("bin", "lib/mtpreload"):
            os.makedirs(os.path.join(place.path, dir))
        tool = shutil.copy(MTCTL, os.path.join(place.path, "bin"))
        installed = os.path.join(place.path, "lib/mtpreload/libmtpreload.so")
        missing = ("mtctl: libmtpreload.so is neither beside mtctl nor in "
                   "../lib/mtpreload/libmtpreload.so from there (MTPRELOAD_LIB=PATH names it)\n")
        says(run("run", "--", "true", binary=tool), 3, "", missing)
        shutil.copy(LIB, installed)
        says(run("run", "--", *SHOW, binary=tool), 0, f"{installed}||||\n")
        beside = shutil.copy(LIB, os.path.join(place.path, "bin"))
        says(run("run", "--", *SHOW, binary=tool), 0, f"{beside}||||\n")


@fact
def run_takes_the_library_that_the_environment_names():
    with Place() as place:
        copy = shutil.copy(LIB, place.path)
        env = clean(MTPRELOAD_LIB=copy)
        says(run("run", "--", *SHOW, env=env), 0, f"{copy}||||\n")
        says(run("run", "--", *SHOW, env=clean(MTPRELOAD_LIB="libmtpreload.so"), cwd=place.path), 0,
             f"{copy}||||\n")
        with Program([MTCTL, "run", "--", *SLEEP], env=dict(env, MTPRELOAD_DIR=place.run)) as program:
            info = json.loads(run("-s", path_of(place, program), "-j", "mt.info").out)
            equal(info["environment"], [])
        says(run("run", "--", "true", env=clean(MTPRELOAD_LIB="/nonexistent")), 3, "",
             "mtctl: MTPRELOAD_LIB=/nonexistent: No such file or directory\n")


@fact
def run_refuses_a_path_that_the_loader_would_cut():
    for name in ("a b", "a:b"):
        with Place() as place:
            os.mkdir(os.path.join(place.path, name))
            copy = shutil.copy(LIB, os.path.join(place.path, name))
            says(run("run", "--", "true", env=clean(MTPRELOAD_LIB=copy)), 2, "",
                 f"mtctl: LD_PRELOAD cannot hold '{copy}', which has a blank or a colon in it "
                 "(MTPRELOAD_LIB=PATH names a copy elsewhere)\n")


run_facts()
