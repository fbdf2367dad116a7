#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The victims: small programs (tests/host_*.c) that each do one thing which preloaded libraries have
been known to break, judged by their exact output and exit status, with and without the library."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading

from harness import (BEHIND, BUILD, LIB, MIB, PATIENCE_S, PIPES, Client, Place, Program, by_root, equal, fact,
                     near, resident, run_facts, victim, wait_for, without_library)

def quiet_output(env, directory, place=None):
    """What host_quiet prints and how it ends; under the library, with commands in between."""
    with Program([victim("quiet")], env=env, cwd=directory, stderr=subprocess.PIPE, **PIPES) as host:
        lines = []
        while (line := host.process.stdout.readline()) != "ready\n":
            assert line, "host_quiet ended early"
            lines.append(line)
        if place:
            with Client(place.wait_socket(host.pid)) as client:
                client.call("mt.mem_rnd_alloc", 1, 1000, "1m")
                client.call("mt.mem_free")
        out, err = host.process.communicate("\n", timeout=PATIENCE_S)
        return "".join(lines), out, err, host.process.returncode


@fact
def nothing_that_a_host_can_see_is_changed():
    with Place() as place:
        directory = os.path.join(place.path, "its directory")
        os.mkdir(directory)
        plain = quiet_output(without_library(), directory)
        watched = quiet_output(place.environment(), directory, place)
        equal(watched, plain)
        equal((place.names(), os.listdir(directory)), ([], []))
        equal((plain[2], plain[3]), ("", 7))
        assert "/proc/self/fd/0 pipe:[" in plain[0] and directory in plain[0], plain[0]


@fact
def a_host_that_closes_all_descriptors_still_gets_answers():
    with Place() as place, Program([victim("close")], env=place.environment(), **PIPES) as host:
        path = place.wait_socket(host.pid)
        with Client(path) as before:
            before.call("mt.mem_used")
            host.process.stdin.write("\n")
            host.process.stdin.flush()
            equal(host.process.stdout.readline(), "closed\n")
            equal(before.call("mt.mem_used"), 0)
        with Client(path) as after:
            equal(after.call("mt.mem_used"), 0)
        host.process.stdin.close()
        equal(host.process.wait(timeout=PATIENCE_S), 0)
        equal(place.names(), [])


@fact
def forks_survive_while_commands_hammer():
    count = "300" if BEHIND else "1000"  # as many for each of several allocators take too long
    with Place() as place, Program([victim("fork"), count], env=place.environment(),
                                   **PIPES) as host:
        path = place.wait_socket(host.pid)
        ended = threading.Event()
        errors = []
        hammers = [threading.Thread(target=hammer, args=(path, ended, errors)) for _ in range(2)]
        for h in hammers:
            h.start()
        out, _ = host.process.communicate(timeout=2 * PATIENCE_S)
        ended.set()
        for h in hammers:
            h.join()
        equal((out, host.process.returncode, errors), (f"{count} children\n", 0, []))
        equal(place.names(), [])


def hammer(path, ended, errors):
    """Commands without end, until the host goes away."""
    try:
        with Client(path) as client:
            client.call("mt.mem_test_start", 1, 5000, "1m", 1, 2, "1h")
            while True:
                client.call("mt.mem_rnd_alloc", 1, 3000, "300k")
                client.call("mt.mem_free", "100k")
                client.call("mt.mem_test_list")
    except (OSError, AssertionError) as error:
        if not ended.wait(PATIENCE_S):
            errors.append(error)


@fact
def a_child_adopts_what_was_injected_and_tests_stay_with_the_parent():
    with Place() as place, Program([victim("adopt")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as parent:
            parent.call("mt.mem_alloc", "1m")
            parent.call("mt.mem_test_start", "64k", "64k", "64k", 1, 1, "1h")
            wait_for(lambda: parent.call("mt.mem_used") > MIB, "the test to hold something")
            parent.call("mt.mem_test_stop", 1)
            held = parent.call("mt.mem_used")
            host.process.stdin.write("\n")
            host.process.stdin.flush()
            pid = int(host.process.stdout.readline())
            with Client(place.wait_socket(pid)) as child:
                status = child.call("mt.status")
                equal((status["held"], status["hand_bytes"]), (held, held))
                equal(child.call("mt.mem_test_list"), [])
                equal(child.call("mt.mem_free"), held)
                equal(child.call("mt.mem_used"), 0)
            equal(parent.call("mt.mem_used"), held)
        host.process.stdin.close()
        equal(host.process.wait(timeout=PATIENCE_S), 0)
        equal(place.names(), [])


@fact
def a_child_adopts_what_a_command_has_in_hand():
    with Place() as place, Program([victim("adopt")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as parent:
            before = resident(host.pid)
            parent.send("mt.mem_alloc 1g\n")
            wait_for(lambda: resident(host.pid) - before > 64 * MIB, "some of it")
            host.tell()
            pid = int(host.hear())
            with Client(place.wait_socket(pid)) as child:
                assert child.call("mt.mem_used") > 64 * MIB
                child.call("mt.reset")
                equal(child.call("mt.mem_used"), 0)
                near(resident(pid), before, 8 * MIB, "after reset")
            equal(parent.until(b"\n\n"), "200 OK")
            equal(parent.call("mt.mem_free"), 1024 * MIB)
        equal(host.finish()[1], 0)


@fact
def blocks_from_before_the_constructors_live_and_die_as_others():
    wanted = subprocess.run([victim("early")], env=without_library(), capture_output=True)
    with Place() as place:
        got = subprocess.run([victim("early")], env=place.environment(), capture_output=True)
    equal((got.returncode, got.stdout, got.stderr), (0, wanted.stdout, b""))


@fact
def a_host_with_its_own_malloc_is_injected_through_that():
    with Place() as place, Program([victim("own_malloc")], env=place.environment(),
                                   **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            equal(client.call("mt.info")["in_path"], 0)
            equal(client.call("mt.info")["allocator"], "host_own_malloc")
            client.call("mt.mem_rnd_alloc", 54321, 54321, 543210)
            host.process.stdin.write("\n")
            host.process.stdin.flush()
            equal(host.process.stdout.readline(), "10\n")
        host.process.stdin.close()
        equal(host.process.wait(timeout=PATIENCE_S), 0)


@fact
def a_program_with_a_stub_for_malloc_still_has_us_in_the_path():
    with Place() as place, Program([victim("address")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            equal(client.call("mt.info")["in_path"], 1)
            client.call("mt.mem_alloc", "1m")
        out, _ = host.process.communicate("", timeout=PATIENCE_S)
        equal((out, host.process.returncode), ("ready\n", 0))


@fact
def the_allocator_behind_us_is_named():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            info = client.call("mt.info")
        if BEHIND:
            equal(info["allocator"], os.path.basename(BEHIND))
        else:
            assert info["allocator"].startswith("libc"), info
        equal((info["in_path"], info["program"]), (1, "sleep"))


@fact
def the_c_api_leaks_and_frees():
    with Place() as place, Program([victim("api")], env=place.environment(), **PIPES) as host:
        out, _ = host.process.communicate("", timeout=PATIENCE_S)
        equal(out, "version 0.1.0 active 1\nalloc 0 used 1048576\nused 0 errno 5\n"
                   "too much -1 errno 1\n")
        equal(host.process.returncode, 0)


@fact
def a_program_that_is_left_alone_can_still_inject_into_itself():
    for only in ("nobody,other-*", "", "host_ap", "[a-g]*"):
        with Place() as place, Program([victim("api")], env=place.environment(only=only), **PIPES) as host:
            equal(host.finish(), ("version 0.1.0 active 0\nalloc 0 used 1048576\nused 0 errno 5\n"
                                  "too much -1 errno 1\n", 0), only)


@fact
def the_c_api_works_on_a_thread_that_is_small_and_cancelled():
    with Place() as place, Program([victim("api"), "thread"], env=place.environment(), **PIPES) as host:
        equal(host.finish(), ("version 0.1.0 active 1\ncancelled 1 used 20024\nused 0\n", 0))


@fact
def a_host_built_with_the_header_runs_without_the_library():
    got = subprocess.run([victim("api")], env=without_library(), capture_output=True, text=True)
    equal((got.returncode, got.stdout), (0, "not here\n"))


@fact
def of_two_copies_the_second_passes_everything_on():
    with Place() as place:
        copy = os.path.join(place.path, "copy.so")
        shutil.copy(LIB, copy)
        for first, second in ((LIB, copy), (copy, LIB)):
            env = dict(place.environment(), LD_PRELOAD=f"{first} {second} {BEHIND or ''}")
            with Program([victim("address")], env=env, **PIPES) as host:
                with Client(place.wait_socket(host.pid)) as client:
                    equal(len(os.listdir(f"/proc/{host.pid}/task")), 2, first)
                    client.call("mt.mem_rnd_alloc", 1, 1000, "1m")
                    info = client.call("mt.info")
                    equal((client.call("mt.mem_used"), info["in_path"]), (MIB, 1), first)
                    client.call("mt.reset")
                equal(host.finish(), ("ready\n", 0))
            api = subprocess.run([victim("api")], env=env, input="", capture_output=True, text=True)
            equal(api.stdout, "version 0.1.0 active 1\nalloc 0 used 1048576\nused 0 errno 5\n"
                              "too much -1 errno 1\n")
            equal(place.names(), [])


@fact
def a_copy_that_is_loaded_late_passes_everything_on():
    script = ("import ctypes, os, sys\ncopy = ctypes.CDLL(sys.argv[1])\n"
              "print(copy.mt_is_active(), ctypes.CDLL(None).mt_is_active(), "
              "len(os.listdir('/proc/self/task')))\n")
    with Place() as place:
        copy = os.path.join(place.path, "copy.so")
        shutil.copy(LIB, copy)
        got = subprocess.run(["/usr/bin/python3", "-c", script, copy], env=place.environment(),
                             capture_output=True, text=True)
        equal((got.stdout, got.returncode), ("0 1 2\n", 0))


@fact
def an_overrun_by_the_host_is_counted():
    with Place() as place, Program([victim("api"), "overrun"],
                                   env=place.environment(check_content=1), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            wait_for(lambda: client.call("mt.mem_used") == 0, "the host to free")
            # Other allocators round the block up: there the overrun ends within its own slack.
            equal(client.call("mt.status")["corruptions"], 0 if BEHIND else 1)
        out, _ = host.process.communicate("", timeout=PATIENCE_S)
        equal(out, "version 0.1.0 active 1\nused 20024\n")


@fact
def every_way_to_end_removes_the_name():
    for way in ("return", "exit", "_exit", "_Exit", "quick_exit", "signal"):
        with Place() as place, Program([victim("end"), way], env=place.environment(),
                                       **PIPES) as host:
            place.wait_socket(host.pid)
            host.process.communicate("\n", timeout=PATIENCE_S)
            equal((host.process.returncode, place.names()), (4, []), way)


@fact
def the_end_of_a_vfork_child_leaves_the_parents_name():
    with Place() as place, Program([victim("end"), "vfork"], env=place.environment(),
                                   **PIPES) as host:
        path = place.wait_socket(host.pid)
        host.process.stdin.write("\n")
        host.process.stdin.flush()
        equal(host.process.stdout.readline(), "vforked\n")
        with Client(path) as client:
            equal(client.call("mt.mem_used"), 0)
        host.process.communicate("\n", timeout=PATIENCE_S)
        equal((host.process.returncode, place.names()), (4, []))


@fact
def short_lived_processes_leave_nothing():
    with Place() as place:
        done = subprocess.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; "
                               "(exit 3)"], env=place.environment(), capture_output=True)
        equal((done.returncode, done.stdout, done.stderr), (3, b"", b""))
        equal(place.names(), [])


@fact
def names_of_killed_processes_are_pruned_by_the_next():
    with Place() as place:
        with Program(["sleep", "1000"], env=place.environment()) as victim_of_kill:
            stale = place.wait_socket(victim_of_kill.pid)
        assert os.path.exists(stale), "kill -9 leaves the name"
        with Program(["sleep", "1000"], env=place.environment()) as other:
            place.wait_socket(other.pid)
            equal(place.names(), [f"mtpreload.{other.pid}.sock"])


@fact
def without_any_usable_directory_the_host_runs_on_silently():
    with Place() as place:
        env = place.environment(socket=os.path.join(place.path, "missing", "x.sock"))
        got = subprocess.run(["sh", "-c", "sleep 0.2; echo out"], env=env, capture_output=True)
        equal((got.returncode, got.stdout, got.stderr), (0, b"out\n", b""))


@by_root
def a_host_that_may_not_start_threads_runs_on_silently():
    # RLIMIT_NPROC does not bind root, so become nobody first.
    script = ("import os, resource, sys\n"
              "os.setgid(65534); os.setuid(65534)\n"
              "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
              "os.execv('/bin/echo', ['echo', 'out'])\n")
    with Place() as place:
        shared = os.path.join(place.path, "lib.so")
        with open(LIB, "rb") as source, open(shared, "wb") as copy:
            copy.write(source.read())
        os.chmod(shared, 0o755)
        env = dict(place.environment(), LD_PRELOAD="")
        script = script.replace("os.execv", f"os.environ['LD_PRELOAD'] = {shared!r}\nos.execv")
        got = subprocess.run(["/usr/bin/python3", "-c", script], env=env, capture_output=True)
        equal((got.returncode, got.stdout, got.stderr), (0, b"out\n", b""))
        equal(place.names(), [])


@fact
def the_socket_is_for_its_owner_alone():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        equal(oct(os.stat(path).st_mode & 0o777), "0o600")
        if os.getuid() != 0:
            return
        os.chmod(path, 0o666)  # even then: the peer's uid counts
        script = ("import os, socket, sys\nos.setuid(33)\n"
                  "s = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                  "s.sendall(b'mt.mem_used\\n')\nprint(s.recv(100))\n")
        got = subprocess.run(["/usr/bin/python3", "-c", script, path], capture_output=True,
                             text=True, env=without_library())
        assert got.stdout == "b''\n" or "ConnectionResetError" in got.stderr or \
            "BrokenPipeError" in got.stderr, got


@fact
def only_the_programs_chosen_start_the_thread():
    with Place() as place:
        script = "read line; echo $line"
        env = place.environment(only="sleep,redis-*")
        with Program(["sh", "-c", script], env=env, **PIPES) as other, \
                Program(["sleep", "1000"], env=env) as chosen:
            place.wait_socket(chosen.pid)
            equal(os.listdir(f"/proc/{other.pid}/task"), [str(other.pid)])
            out, _ = other.process.communicate("x\n", timeout=PATIENCE_S)
            equal(out, "x\n")


@fact
def a_fixed_socket_name_is_obeyed():
    with Place() as place:
        for pattern, wanted in (("x.sock", "x.sock"), ("x-%p.sock", "x-{}.sock")):
            env = place.environment(socket=os.path.join(place.path, pattern))
            with Program(["sleep", "1000"], env=env) as host:
                path = os.path.join(place.path, wanted.format(host.pid))
                wait_for(lambda: os.path.exists(path), path)
                with Client(path) as client:
                    equal(client.call("mt.info")["socket"], path)
                equal(host.stop(), -signal.SIGTERM)
            os.unlink(path)


@fact
def a_second_program_with_the_same_fixed_name_takes_another():
    with Place() as place:
        path = os.path.join(place.path, "x.sock")
        env = place.environment(socket=path)
        with Program(["sleep", "1000"], env=env) as first:
            wait_for(lambda: os.path.exists(path), path)
            with Program(["sleep", "1000"], env=env) as second:
                other = f"{path}.{second.pid}"
                wait_for(lambda: os.path.exists(other), other)
                with Client(path) as client:
                    equal(client.call("mt.info")["pid"], first.pid)


@fact
def a_directory_too_deep_for_an_address_is_used_all_the_same():
    with Place() as place:
        deep = os.path.join(place.path, "d" * 60, "e" * 60)
        os.makedirs(deep)
        env = dict(place.environment(), MTPRELOAD_DIR=deep)
        with Program(["sleep", "1000"], env=env) as host:
            path = os.path.join(deep, f"mtpreload.{host.pid}.sock")
            wait_for(lambda: os.path.exists(path), path)
            directory = os.open(deep, os.O_RDONLY)
            with Client(f"/proc/self/fd/{directory}/{os.path.basename(path)}") as client:
                equal(client.call("mt.info")["socket"], path)
            os.close(directory)


@fact
def what_the_environment_had_wrong_is_told():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(
            touch="yes", max_bytes="1q", sede="5", seed="42")) as host:
        with Client(place.wait_socket(host.pid)) as client:
            info = client.call("mt.info")
        equal(info["settings"]["touch"], 1)
        equal(info["settings"]["seed"], 42)
        equal([re.match(r"[A-Z_]+=\w+", line).group() for line in info["environment"]],
              ["MTPRELOAD_TOUCH=yes", "MTPRELOAD_MAX_BYTES=1q", "MTPRELOAD_SEDE=5"])


@fact
def a_host_whose_allocator_restores_signal_masks_is_not_ended():
    """Our thread is woken by a signal, which such an allocator leaves unblocked."""
    with Place() as place:
        env = place.environment()
        env["LD_PRELOAD"] += " " + os.path.join(BUILD, "tests", "plugin_masks.so")
        with Program(["cat"], env=env, **PIPES) as host:
            path = place.wait_socket(host.pid)
            for _ in range(50):
                with Client(path) as client, Client(path) as other:
                    client.call("mt.mem_rnd_alloc", 1, 1000, "100k")
                    other.call("mt.mem_alloc", "1m")
                    equal(client.call("mt.reset"), MIB + (100 << 10))
            host.tell("still here\n")
            equal(host.finish(), ("still here\n", 0))


@fact
def python_uses_the_api_through_ctypes():
    script = ("import ctypes\nme = ctypes.CDLL(None)\n"
              "me.mt_mem_alloc.argtypes = [ctypes.c_size_t]\n"
              "me.mt_mem_used.restype = ctypes.c_ulonglong\n"
              "print(me.mt_mem_alloc(1 << 20), me.mt_mem_used())\n"
              "me.mt_mem_free()\nprint(me.mt_mem_used())\n")
    with Place() as place:
        got = subprocess.run([sys.executable, "-c", script], env=place.environment(),
                             capture_output=True, text=True)
    equal((got.stdout, got.returncode), ("0 1048576\n0\n", 0))


run_facts()
