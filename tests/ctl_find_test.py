#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How mtctl finds instances, wherever they put their sockets, and lists them. With nothing but the
test's own instances on the machine, as far as the system lets us."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

from ctl import (HEADER, ISOLATED, NOBODY, PYTHON, SLEEP, alone, as_root, clean, freeze, here, host, isolate,
                 name_of, path_of, run, says)
from harness import LIB, MTCTL, PATIENCE_S, Place, Program, equal, fact, run_facts, wait_for

isolate()


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


# The directories in their order; each can be used, and the first that is there is taken.
ORDER = """
mount -t tmpfs tmpfs /run && mkdir {made} && chmod 700 /run/xdg &&
exec env LD_PRELOAD={library} {settings} sleep 1000
"""


@alone
def the_first_directory_that_can_be_used_is_taken_and_found():
    if not LIB.startswith("/run/"):
        order = [("MTPRELOAD_DIR=/run/own", "/run/own", "/run/own"),
                 ("RUNTIME_DIRECTORY=/run/first:/run/second", "/run/first", "/run/first"),
                 ("", "/run/mtpreload", "/run/mtpreload"),
                 ("XDG_RUNTIME_DIR=/run/xdg", "/run/xdg", "/run/xdg/mtpreload"),
                 ("", "/run/tmp", f"/tmp/mtpreload-{os.geteuid()}")]
        spaces = ["unshare", "--mount"] + (["--user", "--map-root-user"] if os.geteuid() else [])
        for left in range(len(order)):
            settings, made, _ = zip(*order[left:])
            script = ORDER.format(library=LIB, settings=" ".join(settings),
                                  made=" ".join({*made, "/run/xdg"}))
            with Program(spaces + ["sh", "-c", script], env=clean()) as program:
                line = wait_for(lambda: line_of(program.pid), "the instance")
                directory = re.sub(r"^/proc/\d+/root", "", os.path.dirname(line["socket"]))
                equal((directory, line["held"]), (order[left][2], 0))
                os.unlink(line["socket"])  # nobody else cleans up here


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
                freeze(two)  # or it would have its name back in a moment
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


@fact
def finds_a_library_by_another_name():
    for name in ("libmtpreload.so.0.1", "renamed.so"):
        with Place() as place:
            copy = shutil.copy(LIB, os.path.join(place.path, name))
            with Program(SLEEP, env=dict(place.environment(), LD_PRELOAD=copy)) as program:
                path_of(place, program)
                found(program)
                equal(line_of(program.pid)["socket"], place.socket(program.pid))


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
import json, os, socket
s = socket.socket(socket.AF_UNIX)
s.bind(b"\0mtpreload.%d" % (os.getpid() + int(os.environ["OFFSET"])))
s.listen(8)
print("listening", flush=True)
while True:
    connection, _ = s.accept()
    for line in connection.makefile("rb"):
        result = b'{"allocator":"abstract","uptime_s":1}' if b"mt.info" in line else b'{"held":77}'
        connection.sendall(b'{"jsonrpc":"2.0","result":%s,"id":%d}\n' % (result, json.loads(line)["id"]))
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
    with Place() as place, host(place, PYTHON) as live, contextlib.ExitStack() as stopped:
        many = [stopped.enter_context(host(place)) for _ in range(40)]
        for program in many + [live]:
            path_of(place, program)
        for program in many:
            freeze(program)
        start = time.monotonic()
        done = run("ls", env=here(place))
        assert time.monotonic() - start < 30, "each one's second was waited for on its own"
        equal((done.status, done.err), (0, ""))
        for program in many:
            line = next(l for l in done.out.splitlines() if l.split()[0] == str(program.pid))
            assert re.search(r" +-  not answering +-  /", line), line
        assert any(l.split()[0] == str(live.pid) and "not answering" not in l
                   for l in done.out.splitlines()), done.out
        one_of = {i["pid"]: i for i in json.loads(run("ls", "-j", env=here(place)).out)}
        two = many[1]
        equal(one_of[two.pid], {"pid": two.pid, "parent": os.getpid(), "name": "sleep",
                                "uid": os.geteuid(), "error": "not answering",
                                "socket": place.socket(two.pid)})


def leave_a_name(place, dead, live):
    path_of(place, dead), path_of(place, live)
    dead.process.kill()
    dead.process.wait()


@fact
def ls_removes_names_of_dead_processes():
    with Place() as place, host(place) as dead, host(place) as live:
        leave_a_name(place, dead, live)
        equal(len(place.names()), 2)
        done = run("ls", env=here(place))
        equal(place.names(), [os.path.basename(place.socket(live.pid))])
        assert str(dead.pid) not in [line.split()[0] for line in done.out.splitlines()]


@fact
def ls_removes_such_names_beside_the_instances_that_it_finds():
    with Place() as place, host(place) as dead, host(place) as live:
        leave_a_name(place, dead, live)
        left = ["mtpreload.4000001.sock", "mtpreload.x.sock", f"{dead.pid}.sock"]
        open(os.path.join(place.run, left[0]), "w").close()  # no socket
        for name in left[1:]:
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(os.path.join(place.run, name))
        equal(run("ls").status, 0)
        equal(place.names(), sorted([*left, os.path.basename(place.socket(live.pid))]))


@as_root
def dead_names_go_where_their_directory_lets_whoever_asks_remove_them():
    with Place() as place:  # its directory has the sticky bit
        tool = shutil.copy(MTCTL, place.path)
        env = here(place)
        user = dict(env=env, user=NOBODY, group=NOBODY, extra_groups=[], binary=tool)
        names = [f"mtpreload.{pid}.sock" for pid in (2_000_000_001, 2_000_000_002)]
        for name, owner in zip(names, (0, NOBODY)):
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(os.path.join(place.run, name))
                left.listen(1)
            os.chown(os.path.join(place.run, name), owner, owner)
            os.chmod(os.path.join(place.run, name), 0o666)
        says(run("ls", **user), 0, HEADER)
        equal(place.names(), names[:1])
        told = run("doctor", **dict(user, env=env | {"MTPRELOAD_LIB": LIB})).out
        assert f"note     unreachable  {place.run}/{names[0]}: Connection refused" in told, told
        says(run("ls", env=env), 0, HEADER)
        equal(place.names(), [])


@alone
def ls_leaves_names_of_other_pid_namespaces():
    with Place() as place, contained(place) as outer:
        child_of(outer)
        wait_for(lambda: os.path.exists(place.socket(1)), "its socket")
        stale = place.socket(4000001)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(stale)
        equal(run("ls").status, 0)
        assert os.path.exists(stale)


@fact
def names_of_a_fixed_pattern_stay():
    with Place() as place, host(place, socket=f"{place.run}/%p.sock") as dead, \
            host(place, socket=f"{place.run}/%p.sock") as live:
        paths = [f"{place.run}/{program.pid}.sock" for program in (dead, live)]
        wait_for(lambda: all(map(os.path.exists, paths)), "the sockets")
        dead.process.kill()
        dead.process.wait()
        equal(run("ls").status, 0)
        equal(place.names(), sorted(map(os.path.basename, paths)))


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


run_facts()
