#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The library as a file: what it exports and calls, and how it is linked."""

import glob
import os
import re
import subprocess

from harness import LIB, TOP, equal, fact, run_facts


@fact
def the_exports_are_those_of_the_map_and_no_others():
    with open(os.path.join(TOP, "libmtpreload.map")) as file:
        text = re.sub("#.*", "", file.read())
    wanted = set(re.findall(r"^\t\t(\w+);", text, re.M))
    symbols = subprocess.run(["nm", "-D", "--defined-only", LIB], capture_output=True, text=True,
                             check=True).stdout
    equal({line.split()[2] for line in symbols.splitlines()}, wanted)


# What works on the host's streams, log, mask or directory, of which our thread has to keep off.
THE_HOSTS = {"syslog", "vsyslog", "openlog", "stdin", "stdout", "stderr", "fopen", "fdopen", "fclose", "fflush", "printf",
             "vprintf", "fprintf", "vfprintf", "dprintf", "puts", "fputs", "fwrite", "putchar", "perror", "opendir",
             "umask", "chdir", "fchdir", "sigaction", "signal", "sigprocmask", "setenv", "putenv", "unsetenv",
             "setlocale", "abort", "system", "popen", "fork", "getpwuid", "getpwnam"}


@fact
def the_object_calls_nothing_that_works_on_what_is_the_hosts():
    symbols = subprocess.run(["nm", "-D", "--undefined-only", LIB], capture_output=True, text=True, check=True).stdout
    called = {re.sub("@.*", "", line.split()[-1]) for line in symbols.splitlines()}
    assert {"dlsym", "pthread_create"} <= called, called
    equal(called & THE_HOSTS, set())


# What makes no system call, only such as every program makes, or (fork's, exit's) the host's own; and what cannot be tried.
NOT_TRIED = {"fnmatch", "getauxval", "getenv", "getpagesize", "snprintf", "sprintf", "vsnprintf", "strerror", "sysconf", "time",
             "sigfillset", "dlsym", "dl_iterate_phdr", "exit", "environ", "program_invocation_name",
             "program_invocation_short_name", "sched_yield", "waitpid", "clone"}
NOT_TRIED_PATTERN = r"_.*|str\w+|stpcpy|mem(chr|cmp|cpy|move)|pthread_(attr|key|mutex|once|set|create)\w*"
NUMBERS_NOT_TRIED = {"SYS_exit", "SYS_exit_group", "SYS_prctl", "SYS_seccomp", "SYS_setns", "SYS_unshare", "SYS_capset",
                     "SYS_setuid", "SYS_setgid", "SYS_setreuid", "SYS_setregid", "SYS_setresuid", "SYS_setresgid",
                     "SYS_setgroups", "SYS_setfsuid", "SYS_setfsgid", "SYS_landlock_restrict_self"}  # the host's


@fact
def every_system_call_of_ours_is_tried_behind_a_filter():
    with open(os.path.join(TOP, "src/control/trial.c")) as file:
        tried = set(re.findall(r"\w+", file.read()))
    symbols = subprocess.run(["nm", "-D", "--undefined-only", LIB], capture_output=True, text=True, check=True).stdout
    called = {re.sub("@.*", "", line.split()[-1]) for line in symbols.splitlines()} - NOT_TRIED - tried
    equal({name for name in called if not re.fullmatch(NOT_TRIED_PATTERN, name)}, set())
    numbers, kernel = set(), set()
    for path in glob.glob(os.path.join(TOP, "src/*/*.c")) + [os.path.join(TOP, "libmtpreload.c")]:
        if path.endswith("/kernel.c"):
            continue
        with open(path) as file:
            text = file.read()
        numbers |= set(re.findall(r"\bSYS_\w+", text))
        kernel |= set(re.findall(r"\bkernel_\w+(?=\()", text))
    equal(numbers - tried - NUMBERS_NOT_TRIED, {"SYS_rt_sigprocmask"})  # pthread_sigmask's
    equal(kernel - tried - {"kernel_raw", "kernel_time", "kernel_waitpid"}, set())  # numbers are above; the vDSO's; the trial's own


@fact
def the_object_is_hardened_and_needs_only_libc():
    headers = subprocess.run(["readelf", "-dlW", LIB], capture_output=True, text=True,
                             check=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*?)\]", headers))
    assert needed <= {"libc.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"}, needed
    for word in ("NODELETE", "NOW", "GNU_RELRO"):
        assert word in headers, word
    tls = re.search(r"TLS +0x\w+ 0x\w+ 0x\w+ 0x\w+ (0x\w+)", headers)
    assert not tls or int(tls.group(1), 16) < 64, tls.group()


run_facts()
