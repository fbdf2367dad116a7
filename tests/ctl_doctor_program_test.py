#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl doctor on programs that do not run yet: each cause, in a real case of it."""

import os
import random
import re
import shutil
import struct
import subprocess

from ctl import (NOBODY, as_root, clean, findings, host, isolate, problem, process, run, says)
from harness import BUILD, LIB, MTCTL, PATIENCE_S, Place, Program, equal, fact, run_facts

isolate()


def compiled(place, name, source, *flags, compiler="gcc"):
    path, code = os.path.join(place.path, name), os.path.join(place.path, name + ".c")
    with open(code, "w") as file:
        file.write(source)
    subprocess.run([compiler, "-w", code, "-o", path, *flags], check=True, timeout=PATIENCE_S)
    return path


PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


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
        problem("machine", "small is for i386, 32 bit, which the library does not support", of=["--", small])
        other = os.path.join(place.path, "other")
        for order, machine in (("<", 183), (">", 22)):
            with open(shutil.which("sleep"), "rb") as file:
                image = bytearray(file.read())
            image[5] = 1 if order == "<" else 2
            image[18:20] = struct.pack(order + "H", machine)
            with open(other, "wb") as file:
                file.write(image)
            os.chmod(other, 0o755)
            text = {183: "is for ARM 64, 64 bit, the library for", 22: "is for s390, 64 bit, which the library does not support"}
            problem("machine", text[machine], of=["--", other])


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


# With what today's loader calls in a C library: allocations and a mutex.
OLD_LIBC = """
void __libc_early_init(_Bool x) {}
int pthread_mutex_lock(void *m) { return 0; }
int pthread_mutex_unlock(void *m) { return 0; }
static char heap[1 << 16] __attribute__((aligned(16))), *top = heap;
void *malloc(unsigned long n) { char *p = top; top += (n + 15) / 16 * 16; return p; }
void *calloc(unsigned long n, unsigned long m) { return malloc(n * m); }
void *realloc(char *p, unsigned long n)
{
	char *moved = malloc(n);
	for (unsigned long i = 0; p && i < n; i++)
		moved[i] = p[i];
	return moved;
}
void free(void *p) {}
int old(void) { return 0; }
"""
OLD_VERSIONS = "GLIBC_2.2.5 { old; *alloc; free; pthread_*; }; GLIBC_2.3 {}; GLIBC_PRIVATE { __libc_early_init; };\n"
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
        libc = compiled(place, "libc.so.6", OLD_LIBC, "-shared", "-fPIC", "-nostdlib", "-fno-builtin",
                        "-Wl,--no-as-needed", loader, "-Wl,-soname,libc.so.6", f"-Wl,--version-script={versions}")
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


run_facts()
