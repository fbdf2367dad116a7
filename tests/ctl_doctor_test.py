#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl doctor: each cause, in a real case of it."""

import ctypes
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys

from ctl import Server, alone, clean, freeze, host, isolate, path_of, run, says
from harness import (BUILD, LIB, MTCTL, PATIENCE_S, Place, Program, equal, fact, pid_lives, run_facts,
                     wait_for)

isolate()

SLEEP = ("sleep", "1000")
NOBODY = 54321  # whom nothing here belongs to
LIBC = ctypes.CDLL(None, use_errno=True)


def is_root():
    """With other users to become."""
    with open("/proc/self/uid_map") as uids:
        return os.geteuid() == 0 and int(uids.read().split()[2]) > 1


def as_root(function):
    """Marks a test that becomes another user."""
    if is_root():
        return alone(function)
    print(f"left out: {function.__name__}")
    return function


def findings(*words, status, **options):
    """What doctor says: {check: finding}, after its exit status has been compared."""
    done = run("doctor", "-j", *words, **options)
    equal((done.status, done.err), (status, ""), done.out)
    found = json.loads(done.out)
    for finding in found:
        equal(list(finding), ["level", "check", "text", "remedy"])
    assert (status == 1) == any(f["level"] == "problem" for f in found), found
    return {f["check"]: f for f in found}


def problem(check, *texts, of, level="problem", **options):
    """Doctor finds this, and no other problem; its text."""
    found = findings(*map(str, of), status=1 if level == "problem" else 0, **options)
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
        with open(f"/proc/{program.pid}/stat") as stat:
            state = stat.read().rsplit(")", 1)[1].split()[0]
        ours = os.readlink(f"/proc/{program.pid}/exe") == os.readlink("/proc/self/exe")
        return state in "STt" and (not ours or program.argv[0] == sys.executable)
    except OSError:
        return False


def compiled(place, name, source, *flags, compiler="gcc"):
    path, code = os.path.join(place.path, name), os.path.join(place.path, name + ".c")
    with open(code, "w") as file:
        file.write(source)
    subprocess.run([compiler, "-w", code, "-o", path, *flags], check=True, timeout=PATIENCE_S)
    return path


PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


# Programs.

@fact
def a_dynamic_program_would_load_it():
    found = findings("--", "sleep", "1000", status=0)
    equal({c: f["level"] for c, f in found.items() if c in ("library", "machine", "program")},
          {"library": "ok", "machine": "ok", "program": "ok"})
    equal(found["program"]["text"], f"{shutil.which('sleep')} would load {LIB}")
    assert "\nok       program      " in run("doctor", "--", "sleep").out


@fact
def a_static_program_would_not():
    problem("static", "/busybox is a static program", of=["--", "busybox", "sleep", "1"])
    with Place() as place:
        pie = compiled(place, "pie", PAUSE, "-static-pie")
        problem("static", f"{pie} is a static-pie program", of=["--", pie])
        with host(place, (pie,)) as program:
            process("static", "static-pie", program=program)


@fact
def the_program_is_not_run():
    with Place() as place:
        made, script = os.path.join(place.path, "made"), os.path.join(place.path, "script")
        with open(script, "w") as file:
            file.write(f"#!/bin/sh\ntouch {made}\n")
        os.chmod(script, 0o755)
        found = findings("--", script, status=0)
        equal(found["script"]["text"], f"{script} is a script of /bin/sh; what follows is about that")
        equal(os.path.exists(made), False)


@fact
def scripts_are_followed_to_what_runs():
    with Place() as place:
        script = os.path.join(place.path, "script")
        for line, status, check, text in (
                ("#!/bin/busybox sh", 1, "static", "/bin/busybox is a static"),
                ("#!/usr/bin/env busybox", 1, "static", "/busybox is a static"),
                ("#! /usr/bin/env -S A=b busybox sh", 1, "static", "/busybox is a static"),
                ("#!/usr/bin/env sh", 0, "program", "/sh would load")):
            with open(script, "w") as file:
                file.write(line + "\n")
            os.chmod(script, 0o755)
            found = findings("--", script, status=status)
            assert text in found[check]["text"], found


@fact
def what_cannot_be_looked_at_is_told():
    with Place() as place:
        script = os.path.join(place.path, "script")
        with open(script, "w") as file:
            file.write("#!/nonexistent/sh\n")
        os.chmod(script, 0o755)
        says(run("doctor", "--", script), 3, "",
             f"mtctl: cannot look at {script}: No such file or directory\n")
        os.chmod(script, 0o644)
        says(run("doctor", "--", script), 3, "", f"mtctl: cannot look at {script}: Permission denied\n")
    says(run("doctor", "--", "no-such-program", env=clean(PATH="/usr/bin:/bin")), 3, "",
         "mtctl: cannot look at no-such-program: No such file or directory\n")
    says(run("doctor", "sleep"), 2, "", "mtctl: 'sleep' is no process id (a program stands behind --: "
                                        "mtctl doctor -- sleep)\n")


@fact
def a_program_of_another_machine_would_not():
    with Place() as place:
        small = compiled(place, "small", "void _start(void) { for (;;); }", "-m32", "-nostdlib", "-pie")
        problem("machine", "small is for i386, 32 bit, the library for", of=["--", small])
        other = os.path.join(place.path, "other")
        for order, machine in (("<", 183), (">", 22)):
            with open(shutil.which("sleep"), "rb") as file:
                image = bytearray(file.read())
            image[5] = 1 if order == "<" else 2
            image[18:20] = struct.pack(order + "H", machine)
            with open(other, "wb") as file:
                file.write(image)
            os.chmod(other, 0o755)
            problem("machine", "is for " + {183: "ARM 64", 22: "s390"}[machine], of=["--", other])


@fact
def damaged_programs_are_read_without_harm():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with open(os.path.join(BUILD, "tests/host_own_malloc"), "rb") as file:
        whole = file.read()
    with Place() as place:
        path = os.path.join(place.path, "damaged")
        sections = struct.unpack("<Q", whole[40:48])[0]
        for round_ in range(150):
            image = bytearray(whole[:dice.choice((len(whole), dice.randrange(len(whole)), 64, 63))])
            for _ in range(dice.choice((0, 3, 30))):
                at = dice.choice((dice.randrange(16, 64), dice.randrange(64, 800), sections +
                                  dice.randrange(2000), dice.randrange(len(whole))))
                image[at:at + 1] = bytes([dice.choice((0, 1, 255, dice.randrange(256)))]) \
                    if at < len(image) else b""
            with open(path, "wb") as file:
                file.write(image)
            os.chmod(path, 0o755)
            done = run("doctor", "-j", "--", path)
            assert done.status in (0, 1) and not done.err, (round_, done.all())


@fact
def a_musl_program_is_not_started():
    with Place() as place:
        musl = compiled(place, "musl", "int main(void) { return 0; }", compiler="musl-gcc")
        said = problem("libc", f"{musl} runs with musl", of=["--", musl])
        done = run("run", "--", musl)
        says(done, 126, "", f"mtctl: not started: {said['text']} ({said['remedy']}); --force starts it "
                            "all the same\n")
        done = run("run", "--force", "--", musl)
        equal(done.status, 127, "what the loader does")
        assert "__register_atfork: symbol not found" in done.err, done.err
        says(run("run", "--force=1", "--", musl), 2, "", "mtctl: --force takes no value\n")


@fact
def a_library_for_musl_is_not_put_into_glibc():
    with Place() as place:
        library = compiled(place, "libmtpreload.so", "int x;", "-shared", "-fPIC", compiler="musl-gcc")
        problem("libc", "runs with glibc", of=["--", "sleep"], env=clean(MTPRELOAD_LIB=library))
        equal(run("run", "--", "true", env=clean(MTPRELOAD_LIB=library)).status, 126)


OLD_LIBC = "void __libc_early_init(_Bool x) {}\nint old(void) { return 0; }\n"
OLD_VERSIONS = "GLIBC_2.2.5 { old; }; GLIBC_2.3 {}; GLIBC_PRIVATE { __libc_early_init; };\n"
OLD_PROGRAM = """
int old(void);
void _start(void)
{
	__asm__ volatile("syscall" : : "a"(231), "D"(old()));
}
"""


@fact
def an_older_glibc_is_not_given_the_library():
    """A loader and a C library that has the versions of long ago, and a program that uses them."""
    if os.uname().machine != "x86_64":
        return
    with Place() as place:
        loader = shutil.copy("/lib64/ld-linux-x86-64.so.2", os.path.join(place.path, "ld-2.3.so"))
        link = os.path.join(place.path, "ld.so.1")
        os.symlink("ld-2.3.so", link)
        versions = os.path.join(place.path, "versions")
        with open(versions, "w") as file:
            file.write(OLD_VERSIONS)
        libc = compiled(place, "libc.so.6", OLD_LIBC, "-shared", "-fPIC", "-nostdlib",
                        "-Wl,-soname,libc.so.6", f"-Wl,--version-script={versions}")
        old = compiled(place, "old", OLD_PROGRAM, "-nostdlib", libc, f"-Wl,-rpath,{place.path}",
                       f"-Wl,--dynamic-linker={link}")
        equal(subprocess.run([old], timeout=PATIENCE_S).returncode, 0)
        said = problem("glibc", f"the glibc of {old} is older than the library", "GLIBC_2.",
                       of=["--", old])
        assert "GLIBC_2.2.5" not in said["text"] and "GLIBC_2.3," not in said["text"], said
        equal(run("run", "--", old).status, 126)
        done = run("run", "--force", "--", old)
        equal(done.status, 1, "what the loader does")
        assert re.search(r"version `GLIBC_2\.\d+' not found", done.err), done.err
        os.unlink(loader)
        problem("loader", f"needs the loader {link}: No such file", of=["--", old])


@fact
def an_allocator_of_its_own_is_seen():
    path = os.path.join(BUILD, "tests/host_own_malloc")
    problem("malloc", f"{path} defines malloc itself", of=["--", path])
    with Place() as place:
        stripped = os.path.join(place.path, "stripped")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        problem("malloc", of=["--", stripped])
        address = os.path.join(BUILD, "tests/host_address")  # only a stub has that name there
        findings("--", address, status=0)


@as_root
def programs_with_more_rights_would_not():
    with Place() as place:
        tool, library = (shutil.copy(f, place.path) for f in (MTCTL, LIB))
        sleep = shutil.copy(shutil.which("sleep"), place.path)
        other = dict(user=NOBODY, group=NOBODY, extra_groups=[], binary=tool)
        os.chmod(sleep, 0o4755)
        problem("rights", "has the setuid bit: it would not", of=["--", sleep], **other)
        problem("rights", "run by others than you", of=["--", sleep], level="note")
        os.chmod(sleep, 0o2755)
        problem("rights", "has the setgid bit: it would not", of=["--", sleep], **other)
        os.chmod(sleep, 0o755)
        findings("--", sleep, status=0, **other)
        subprocess.run(["setcap", "cap_net_raw+ep", sleep], check=True)
        problem("rights", "has file capabilities: it would not", of=["--", sleep], **other)
        with Program([sleep, "1000"], env=dict(place.environment(), LD_PRELOAD=library), user=NOBODY,
                     group=NOBODY, extra_groups=[]) as program:
            process("secure", "more rights than its caller had", program=program)


# Processes without the library.

@fact
def a_process_without_it_was_started_so():
    with Program(SLEEP, env=clean()) as program:
        process("started", "it was started without the library", program=program)
        says(run("doctor", str(program.pid)), 1,
             "problem  started      it was started without the library: LD_PRELOAD does not name it "
             "(mtctl run -- PROGRAM)\n")
    says(run("doctor", str(program.pid)), 3, "", f"mtctl: there is no process {program.pid}\n")
    says(run("doctor", "-p", str(program.pid), "-j"), 3,
         f'{{"error":{{"code":3,"message":"there is no process {program.pid}"}}}}\n')


@fact
def a_cleaned_environment_is_told_from_that():
    with Place() as place, host(place, ("sh", "-c", "env -u LD_PRELOAD sleep 1000; true")) as shell:
        path = f"/proc/{shell.pid}/task/{shell.pid}/children"
        pid = int(wait_for(lambda: open(path).read(), "the child").split()[0])
        wait_for(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"), "exec")
        problem("wiped", f"its ancestor {shell.pid} (sh) has the library", of=[pid])
        os.kill(pid, signal.SIGKILL)


@fact
def a_wrong_path_is_named():
    for value, check, text in (
            ("/nonexistent/libmtpreload.so", "path", "LD_PRELOAD says /nonexistent/libmtpreload.so: No"),
            ("nowhere/libmtpreload.so", "path", "says nowhere/libmtpreload.so, a path from the directory"),
            ("libmtpreload.so", "path", "without a directory")):
        with Program(SLEEP, env=clean(LD_PRELOAD=value), stderr=subprocess.DEVNULL) as program:
            process(check, text, program=program)


@fact
def a_path_that_the_loader_cuts_is_named():
    for name in ("a b", "a:b", "a b:c d"):
        with Place() as place:
            directory = os.path.join(place.path, name)
            os.mkdir(directory)
            copy = shutil.copy(LIB, directory)
            for before in ("", "/nonexistent/x.so:"):
                with Program(SLEEP, env=clean(LD_PRELOAD=before + copy),
                             stderr=subprocess.DEVNULL) as program:
                    process("path", f"the path '{copy}' has a blank or a colon", program=program)


@as_root
def a_path_that_its_user_cannot_read_is_named():
    with Place() as place:
        closed = os.path.join(place.path, "closed")
        os.mkdir(closed)
        copy = shutil.copy(LIB, closed)
        for mode, file_mode, wanted in ((0o700, 0o755, closed), (0o711, 0o600, copy)):
            os.chmod(closed, mode)
            os.chmod(copy, file_mode)
            with Program(SLEEP, env=clean(LD_PRELOAD=copy), stderr=subprocess.DEVNULL, user=NOBODY,
                         group=NOBODY, extra_groups=[]) as program:
                process("path", f"uid {NOBODY} may not read {wanted},", program=program)


@fact
def a_library_that_came_too_late_is_a_puzzle():
    with Place() as place:
        late = os.path.join(place.path, "libmtpreload.so")
        with Program(SLEEP, env=clean(LD_PRELOAD=late), stderr=subprocess.DEVNULL) as program:
            wait_for(lambda: started(program), "exec")
            shutil.copy(LIB, late)
            process("loading", "which is there, and the loader did not take it", program=program)


# Processes with it.

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
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    program = Program(len(code) // 8, code)
    assert libc.syscall(317, 1, tsync, ctypes.byref(program)) == 0, ctypes.get_errno()
"""


@fact
def a_filter_that_refuses_threads_is_suspected():
    if os.uname().machine != "x86_64":
        return
    code = INSTALL + f"install({bpf(REFUSE, 56, 435)!r}, 0)\nimport os\nos.execvp('sleep', " \
                     "['sleep', '1000'])\n"
    with Place() as place, host(place, (sys.executable, "-c", code), only="sleep") as program:
        wait_for(lambda: os.readlink(f"/proc/{program.pid}/exe").endswith("sleep"), "exec")
        process("seccomp", "its seccomp filter may refuse threads", program=program)


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
        equal(run("doctor", env=clean(MTPRELOAD_DIR=place.run)).err, "")
        assert pid_lives(program.pid)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(place.socket(program.pid))
            wait_for(lambda: not pid_lives(program.pid), "the filter to kill it")


@fact
def a_process_without_a_socket_tells_where_it_tried():
    with Place() as place, host(place, socket="/nonexistent/x") as program:
        found = findings(str(program.pid), status=run("doctor", str(program.pid)).status)
        said = found.get("abstract") or found["socket"]
        assert said["level"] != "ok" and \
            "MTPRELOAD_SOCKET=/nonexistent/x: /nonexistent does not exist" in said["text"], found


@as_root
def directories_that_cannot_be_used_are_told_with_their_reasons():
    with Place() as place:
        file = os.path.join(place.path, "file")
        open(file, "w").close()
        own = f"/tmp/mtpreload-{NOBODY}"
        os.mkdir(own, 0o700)  # root's
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
            os.rmdir(own)


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
    with Place() as place, fake(place, ABSTRACT, dir="/dev/null") as program:
        program.process.stdout.readline()
        process("abstract", "its socket has no file", "/dev/null is no directory", program=program,
                level="note")
        found = findings(str(program.pid), status=0)
        equal(found["socket"]["text"], f"@mtpreload.{program.pid}")
        equal((found["version"]["level"], found["version"]["text"]),
              ("note", "version 0.0.1, mtctl is 0.1.0"))


@alone
def a_socket_of_another_network_is_told():
    with Place() as place, fake(place, ABSTRACT, "unshare", "--net") as program:
        program.process.stdout.readline()
        problem("network", f"its socket is @mtpreload.{program.pid}, in another network namespace",
                of=[program.pid])


@fact
def one_that_does_not_answer_is_told_so():
    with Place() as place, fake(place, LISTEN) as program:
        program.process.stdout.readline()
        process("answer", "it does not answer: nothing came within 2 s", program=program)


@fact
def a_name_that_another_holds_is_told():
    with Place() as place, fake(place, "") as program:
        program.process.stdout.readline()
        with Server(path=place.socket(program.pid)):
            process("reach", f"process {os.getpid()} listens on {place.socket(program.pid)}",
                    program=program, env=clean(MTPRELOAD_DIR=place.run))


@fact
def two_copies_are_told():
    with Place() as place:
        copy = shutil.copy(LIB, place.path)
        env = dict(place.environment(), LD_PRELOAD=f"{LIB}:{copy}")
        with Program(SLEEP, env=env) as program:
            path_of(place, program)
            said = process("copies", "2 copies of the library", program=program)
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


# This machine.

@alone
def the_machine_is_looked_at():
    with Place() as place, host(place) as well, host(place, touch="maybe") as half, \
            host(place) as dead, Program(SLEEP, env=clean(LD_PRELOAD="/nonexistent/libmtpreload.so"),
                                         stderr=subprocess.DEVNULL) as without, \
            Program(SLEEP, env=clean()) as other:
        for program in (well, half, dead):
            path_of(place, program)
        wait_for(lambda: started(without) and started(other), "exec")
        dead.process.kill()
        dead.process.wait()
        done = run("doctor", env=clean(MTPRELOAD_DIR=place.run))
        equal((done.status, done.err), (1, ""))
        for line in (f"ok       library      {LIB}, ",
                     f"ok       directory    sockets of this environment's programs go to {place.run}\n",
                     f"ok       process      {well.pid} (sleep): {place.socket(well.pid)}\n",
                     f"problem  settings     {half.pid} (sleep): MTPRELOAD_TOUCH",
                     f"problem  path         {without.pid} (sleep): LD_PRELOAD says /nonexistent/"):
            assert ("\n" + done.out).count("\n" + line) == 1, (line, done.out)
        # Tests that kill their programs leave names in other directories as well.
        assert re.search(r"(?m)^ok       stale        \d+ names? left by dead processes removed$", done.out)
        equal(os.path.exists(place.socket(dead.pid)), False)
        for program in (dead, other):
            assert f" {program.pid} " not in done.out, done.out
        assert f" {half.pid} (sleep): {place.socket(half.pid)}\n" not in done.out


@fact
def a_missing_library_is_a_problem():
    with Place() as place:
        tool = shutil.copy(MTCTL, place.path)
        done = run("doctor", binary=tool)
        equal((done.status, done.err), (1, ""))
        assert "problem  library      libmtpreload.so is neither beside mtctl nor in" in done.out
        done = run("doctor", env=clean(MTPRELOAD_LIB="/nonexistent"))
        assert "problem  library      MTPRELOAD_LIB=/nonexistent: No such file" in done.out, done.out
        os.mkdir(os.path.join(place.path, "a b"))
        copy = shutil.copy(LIB, os.path.join(place.path, "a b"))
        done = run("doctor", "--", "sleep", env=clean(MTPRELOAD_LIB=copy))
        assert done.status == 1 and "has a blank or a colon" in done.out, done.out


@fact
def a_library_that_others_cannot_read_is_noted():
    with Place() as place:
        closed = os.path.join(place.path, "closed")
        os.mkdir(closed, 0o700)
        copy = shutil.copy(LIB, closed)
        problem("readable", f"not everybody may read {closed}:", of=["--", "sleep"], level="note",
                env=clean(MTPRELOAD_LIB=copy))


@alone
def names_that_nobody_answers_to_are_noted():
    with Place() as place:
        path = place.socket(os.getpid())  # a live process, which does not listen
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        done = run("doctor", env=clean(MTPRELOAD_DIR=place.run))
        assert f"note     unreachable  {path}: Connection refused" in done.out, done.out


run_facts()
