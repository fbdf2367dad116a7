#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What hosts do with their threads, descriptors, namespaces and children: each victim has to behave with the
library as without it, and where it lives long enough, to obey."""

import os
import re
import resource
import signal
import subprocess
import sys

from harness import (BEHIND, BUILD, LIB, MIB, NO_FORK_WARNING, PIPES, Client, Place, Program, by_root, equal,
                     fact, fact_if, pid_lives, resident, run_facts, victim, wait_for, without_library)
from victims import obeys, outcome, own_directory, same_though_injected, same_with_and_without

PLUGIN = os.path.join(BUILD, "tests", "plugin.so")
FORKS_AT_LOAD = os.path.join(BUILD, "tests", "plugin_forks.so")


# Those that end by themselves, and those that wait for what they are told. What a victim does besides has a fact of its own.
BY_THEMSELVES = [("alone",), ("early",), ("late",), ("fork", "50"), ("handler_forks", "3"), ("last", "fork"), ("last", "beside"),
                 ("spawn",), ("tsd", "100")]
TOLD = {
    "\n": [("address",), ("clone",), ("close",), ("own_malloc",), ("signals",), ("tls",), ("libseccomp",),
           ("signalled", "100"), ("unshares",)] +
    [("end", way) for way in ("return", "exit", "_exit", "_Exit", "quick_exit", "signal", "vfork", "thread", "strict")] +
    [("sandbox", way, call) for way in ("exit", "kill", "refused") for call in ("prctl", "seccomp", "number")],
    "\n\n": [("close",), ("full",), ("end", "vfork"), ("sandbox", "refused", "prctl")],
    "x\n": [("last", "main"), ("last", "call")],
    "alloc 100\nfree\nalloc 1\n": [("pins",)],
    "alloc 100\nfree\nend\n": [("pins",)],
} | {f"{way}\n": [("churn",)] for way in ("exit", "_exit", "abort", "return", "main")}
FORBIDDEN = ("table", "threads", "sockets", "namespaces", "extras")
AS_ROOT = {"\n": [("setuid",)] + [("gives_up", way) for way in ("capset", "bounding", "landlock")] +
           [("diverges", who, call) for who in ("main", "helper") for call in ("unshare", "seteuid")], "\n\n": [("setuid",)]}


@fact
def each_victim_says_and_leaves_the_same_with_and_without_the_library():
    for name, *words in BY_THEMSELVES + [("seccomp", what) for what in FORBIDDEN]:
        same_with_and_without(victim(name), *words, line="\n")
    for line, victims in list(TOLD.items()) + list(AS_ROOT.items() if os.getuid() == 0 else []):
        for name, *words in victims:
            same_though_injected(victim(name), *words, line=line)


@fact
def a_daemon_is_one_as_without_the_library_and_obeys():
    def lived(env, place=None):
        with Place() as work:
            directory = own_directory(work)
            path = os.path.join(directory, "file")
            said = outcome([victim("daemon"), path], env)
            pid, _ = wait_for(lambda: os.path.exists(path) and open(path).read(), "its pid").split("\n", 1)
            try:
                if place:
                    equal(obeys(place.wait_socket(int(pid))), int(pid))
            finally:
                os.kill(int(pid), signal.SIGTERM)
            wait_for(lambda: not pid_lives(int(pid)), "its end")
            return said, open(path).read().replace(pid, "PID"), os.listdir(directory)

    with Place() as place:
        plain = lived(without_library())
        equal(lived(place.environment(), place), plain)
        equal(place.names(), [])
    equal(plain, ((3, "", ""), "PID\nsignal 15, next descriptor 3, umask 0, in /, leads 0, has children 0\n",
                  ["file"]))


@fact
def a_library_that_is_finished_after_ours_allocates_all_the_same():
    behind = [BEHIND] if BEHIND else []
    plain = outcome([victim("late")], dict(without_library(), LD_PRELOAD=" ".join([PLUGIN] + behind)))
    with Place() as place:
        env = dict(place.environment(), LD_PRELOAD=" ".join([LIB, PLUGIN] + behind))
        equal(outcome([victim("late")], env), plain)
        traced = outcome([victim("late")], dict(env, LD_DEBUG="files"))
        ours, its = (traced[2].index(f"calling fini: {path}") for path in (LIB, PLUGIN))
        assert ours < its, traced[2]
        equal(place.names(), [])


@fact
def a_process_whose_main_thread_has_ended_obeys_and_ends_with_its_last_thread():
    wanted = outcome([victim("last"), "main"], without_library(), "x\n")
    equal(wanted, (0, "line 120\nat exit\n", ""))
    with Place() as place, Program([victim("last"), "main"], env=place.environment(),
                                   **PIPES) as host:
        obeys(place.wait_socket(host.pid))
        host.tell("x\n")
        equal(host.finish(), (wanted[1], wanted[0]))
        equal(place.names(), [])


@fact
def a_child_of_a_thread_ends_when_that_threads_function_returns():
    code, out, _ = same_with_and_without(victim("last"), "fork")
    equal(code, 5)
    assert "child status 0" in out, out


@fact
def what_the_dynamic_linker_has_to_say_stays_the_hosts():
    """dlerror's text, over calls that we look up, and in a child."""
    script = ("import ctypes, os\nlibc = ctypes.CDLL(None)\nlibc.dlerror.restype = ctypes.c_char_p\n"
              "load, change, said = libc.dlopen, libc.seteuid, libc.dlerror\n"
              "for _ in range(2):\n"
              "    load(b'/nowhere', 2)\n    change(os.geteuid())\n    pid = os.fork()\n"
              "    pid and os.wait()\n    print(said(), flush=True)\n    pid or os._exit(0)\n")
    code, out, _ = same_with_and_without("/usr/bin/python3", *NO_FORK_WARNING, "-c", script)
    equal((code, out.count("/nowhere")), (0, 4))


@fact_if(sys.version_info >= (3, 12), "Python warns from 3.12 on")
def python_warns_when_it_forks_beside_our_thread_and_of_nothing_else():
    """A price that README has, and its remedy."""
    script = "import os\nos.fork() or os._exit(3)\nprint(os.wait()[1] >> 8)\n"
    plain = same_with_and_without(sys.executable, *NO_FORK_WARNING, "-c", script)
    equal(plain, (0, "3\n", ""))
    with Place() as place:
        code, out, errors = outcome([sys.executable, "-c", script], place.environment())
    equal((code, out), plain[:2])
    assert re.fullmatch(r"<string>:2: DeprecationWarning: This process \(pid=\d+\) is multi-threaded, use of fork\(\) "
                        r"may lead to deadlocks in the child.\n", errors), errors


@fact
def no_signal_of_the_hosts_is_taken():
    wanted = "ready\n2000 by sigwait, 2000 by signalfd\n"
    with Place() as place, Program([victim("signals")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_test_start", 1, 100, "1m", 1, 1, "1h")
            host.tell()
            equal(host.finish(), (wanted, 0))


@fact
def threads_free_while_they_are_torn_down():
    equal(same_with_and_without(victim("tsd"), "500"), (0, "500 threads\n", ""))


@fact
def blocks_cross_between_a_plugin_bound_deeply_and_its_host():
    said = same_with_and_without(victim("plugin"), PLUGIN)
    # A plugin bound deeply has the C library's free: with another allocator preloaded this host dies by itself.
    equal(said, (-signal.SIGABRT, "", "free(): invalid pointer\n") if BEHIND else
          (0, "100 blocks crossed\n", ""))


@fact
def a_host_inside_dlopen_forks_after_any_command():
    """What our thread does meanwhile must not wait for the dynamic linker: the fork would wait for our thread."""
    with Place() as place, Program(["/usr/bin/python3", "-c", f"import ctypes\nctypes.CDLL({FORKS_AT_LOAD!r})"],
                                   env=place.environment(), **PIPES) as host:
        equal(host.hear(), "loading\n")
        with Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_rnd_alloc", 1, 5000, "4m")
            client.call("mt.mem_trim")
            client.call("mt.leak_start", rate="1g", limit="1m", kind="mmap")
            client.call("mt.reset")
            host.tell()
            equal(host.hear(), "forked\n")
        equal(host.finish(), ("", 0))
        equal(place.names(), [])


@fact
def the_library_itself_may_be_loaded_late_and_closed():
    script = ("import ctypes, _ctypes, sys\n"
              "for _ in range(3):\n"
              "    library = ctypes.CDLL(sys.argv[1])\n    _ctypes.dlclose(library._handle)\n"
              "print(len(bytearray(1000000)))\n")
    with Place() as place:
        env = dict(place.environment(), LD_PRELOAD="")
        equal(outcome(["/usr/bin/python3", "-c", script, LIB], env), (0, "1000000\n", ""))
        equal(place.names(), [])


def our_thread(pid):
    return next(t for t in os.listdir(f"/proc/{pid}/task") if t != str(pid))


def busy_ns(pid):
    with open(f"/proc/{pid}/task/{our_thread(pid)}/schedstat") as stat:
        return int(stat.read().split()[0])


def rests(pid, path):
    """Nobody can be accepted: who connects waits, and our thread does not spin until there is room again."""
    with Client(path) as late:
        late.send("mt.mem_used\n")
        before = busy_ns(pid)
        subprocess.run(["sleep", "1"], check=True)
        assert busy_ns(pid) - before < 100_000_000, "it spins"
        limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        equal(late.until(b"\n\n"), "200 OK\n0")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)


@fact
def a_host_without_a_free_descriptor_obeys():
    def both(place):
        env = place.environment() if place else without_library()
        with Program([victim("full")], env=env, **PIPES) as host:
            said = [host.hear()]
            if place:
                path = place.wait_socket(host.pid)
                obeys(path)
                with Client(path) as client:  # accepted before: it goes on
                    client.call("mt.mem_used")
                    host.tell()
                    said.append(host.hear())
                    equal(client.call("mt.mem_used"), 0)
                    rests(host.pid, path)
            else:
                host.tell()
                said.append(host.hear())
            return said + [host.finish()]
    with Place() as place:
        equal(both(place), both(None))
        equal(place.names(), [])


@fact
def much_static_thread_local_storage_leaves_us_a_stack():
    with Place() as place, Program([victim("tls")], env=place.environment(), **PIPES) as host:
        equal(host.hear(), "1\n")
        obeys(place.wait_socket(host.pid))
        equal(host.finish(), ("", 0))


@fact
def a_host_allocates_to_its_very_end():
    equal(same_with_and_without(victim("late"))[0], 6)


@fact
def other_programs_are_run_in_every_way():
    code, out, _ = same_with_and_without(victim("spawn"))
    equal(code, 8)
    assert "raw clone: 6" in out and "posix_spawn: 3" in out, out


@fact
def children_are_left_alone_where_fork_is_off():
    script = ("import os, sys\nr, w = os.pipe()\npid = os.fork()\nif pid == 0:\n"
              "    print(os.getpid(), len(os.listdir('/proc/self/task')), flush=True)\n"
              "    os.read(r, 1)\n    os._exit(0)\n"
              "sys.stdin.readline()\nos.write(w, b'x')\nos.waitpid(pid, 0)\n")
    with Place() as place, Program(["/usr/bin/python3", "-c", script],
                                   env=place.environment(fork="off"), **PIPES) as host:
        pid, threads = host.hear().split()
        equal(threads, "1")
        with Client(place.wait_socket(host.pid)) as client:
            equal(client.call("cfg.get", "malloc_test", "fork"), "off")
        assert not os.path.exists(place.socket(int(pid)))
        host.tell()
        equal(host.finish(), ("", 0))


@fact
def a_fork_setting_that_is_no_word_of_it_is_told():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(fork="of")) as host:
        with Client(place.wait_socket(host.pid)) as client:
            info = client.call("mt.info")
            equal(info["settings"]["fork"], "follow")
            equal(info["environment"], ["MTPRELOAD_FORK=of: the default is used "
                                        "(accepted: follow|off)"])


@fact
def the_environment_goes_along_through_exec():
    with Place() as place, Program(["sh", "-c", "exec sh -c 'exec sleep 1000'"],
                                   env=place.environment(only="sleep")) as host:
        with Client(place.wait_socket(host.pid)) as client:
            wait_for(lambda: client.call("mt.info")["program"] == "sleep", "sleep")


@fact
def a_name_appears_only_once_its_socket_listens():
    """Bound under another name first: whoever prunes what refuses connections would hit it in between."""
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        path = place.wait_socket(host.pid)
        with open("/proc/net/unix") as bound:
            bound = bound.read()
        assert f" {place.run}/.{os.path.basename(path)}\n" in bound and f" {path}\n" not in bound, bound


@fact
def the_hosts_umask_does_not_reach_the_socket():
    for mask in ("0", "777"):
        with Place() as place, Program(["sh", "-c", f"umask {mask}; exec sleep 1000"],
                                       env=place.environment(only="sleep")) as host:
            path = place.wait_socket(host.pid)
            equal(oct(os.stat(path).st_mode & 0o777), "0o600")
            obeys(path)


@by_root
def a_daemon_that_lost_its_rights_leaves_a_name_that_the_next_one_prunes():
    with Place() as place:
        with Program([victim("setuid")], env=place.environment(), **PIPES) as host:
            place.wait_socket(host.pid)
            host.tell()
            equal(host.hear(), "uid 65534\n")
            host.finish()
        with Program(["sleep", "1000"], env=place.environment()) as other:
            place.wait_socket(other.pid)
            wait_for(lambda: place.names() == [os.path.basename(place.socket(other.pid))],
                     "the other name to be pruned")


@fact
def loops_of_short_lived_children_leave_no_name():
    loops = ("i=0; while [ $i -lt 200 ]; do (:); x=$(echo $i | cat); /bin/true; "
             "i=$((i+1)); done; echo $x")
    for shell in ("sh", "bash"):
        equal(same_with_and_without(shell, "-c", loops), (0, "199\n", ""))


@fact
def two_hundred_instances_answer():
    with Place() as place:
        hosts = [subprocess.Popen(["sleep", "1000"], env=place.environment()) for _ in range(200)]
        try:
            for host in hosts:
                place.wait_socket(host.pid)
            for host in hosts:
                equal(obeys(place.socket(host.pid)), host.pid)
        finally:
            for host in hosts:
                host.terminate()
            for host in hosts:
                host.wait()


def mappings(pid):
    with open(f"/proc/{pid}/maps") as maps:
        return len(maps.readlines())


@fact
def more_tests_than_a_process_may_have_mappings_hold_something_each():
    with open("/proc/sys/vm/max_map_count") as most:
        count = min(int(most.read()), 65530) + 1000
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        with Client(place.wait_socket(host.pid)) as client:
            before = mappings(host.pid)
            for at in range(0, count, 1000):
                client.send("mt.mem_test_start 100 100 100 5s 5s 1h\n" * min(1000, count - at))
                for _ in range(min(1000, count - at)):
                    assert client.until(b"\n\n").startswith("200 "), at
            wait_for(lambda: client.call("mt.mem_used") == 100 * count, "each to hold its first")
            assert mappings(host.pid) - before < 1000, mappings(host.pid) - before
            equal(client.call("mt.reset"), 100 * count)


@fact
def idle_means_idle():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host:
        place.wait_socket(host.pid)
        task = our_thread(host.pid)

        def counters():
            with open(f"/proc/{host.pid}/task/{task}/status") as status:
                return [line for line in status if "ctxt_switches" in line]
        # It sleeps once its socket is bound; from then on nothing wakes it.
        wait_for(lambda: open(f"/proc/{host.pid}/task/{task}/wchan").read() not in ("", "0"), "sleep")
        before = counters()
        subprocess.run(["sleep", "1"], check=True)
        equal(counters(), before)


@fact
def the_library_costs_little_memory():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Program(["sleep", "1000"], env=without_library()) as plain:
        place.wait_socket(host.pid)
        assert resident(host.pid) - resident(plain.pid) < 2 * MIB


run_facts()
