#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The life of our thread in hosts that are signalled, stopped and short of limits, and that give up their rights."""

import os
import resource
import signal
import time

from harness import MIB, PIPES, Client, Place, Program, by_root, equal, fact, need, run_facts, victim, wait_for, without_library
from victims import obeys

SIGNALS = 20000


def ours(pid):
    """The threads of a process whose own is one."""
    return [task for task in os.listdir(f"/proc/{pid}/task") if task != str(pid)]


def lines(pid, task, *words):
    """Those of a thread's status that begin with one of the words."""
    with open(f"/proc/{pid}/task/{task}/status") as status:
        return [line for line in status if line.startswith(words)]


def switches(pid):
    (task,) = ours(pid)
    return sum(int(line.split()[1]) for line in lines(pid, task, "voluntary_ctxt", "nonvoluntary_ctxt"))


def signals_wake_nobody(place, host):
    before = switches(host.pid)
    host.tell()
    equal(host.hear(), f"{SIGNALS} signals\n")
    assert switches(host.pid) - before < SIGNALS // 100, (before, switches(host.pid))
    obeys(place.socket(host.pid))


@fact
def signals_of_the_host_do_not_wake_our_thread():
    with Place() as place, Program([victim("signalled"), str(SIGNALS)], env=place.environment(), **PIPES) as host:
        path = place.wait_socket(host.pid)
        signals_wake_nobody(place, host)
        with Client(path) as client:
            client.call("mt.mem_used")
            signals_wake_nobody(place, host)
            client.call("mt.mem_alloc", 1000)
            client.call("mt.lease", "1h")
            signals_wake_nobody(place, host)
        equal(host.finish(), ("", 0))


def sleeps(pid):
    (task,) = ours(pid)
    with open(f"/proc/{pid}/task/{task}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "S"


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)


def expired_at(log):
    """The time stamp of that line, or None."""
    with open(log) as text:
        return next((line.split()[0] for line in text if "the lease has expired" in line), None)


def expires_though_stopped(connected):
    """Nobody asks the host, since a question would wake its thread. The second lease, of another host, begins when
    the first one is over."""
    with Place() as place:
        log, others = os.path.join(place.path, "log"), os.path.join(place.path, "others")
        with Program(["sleep", "1000"], env=place.environment(log=log)) as host, \
                Program(["sleep", "1000"], env=place.environment(log=others)) as other, \
                Client(place.wait_socket(other.pid)) as clock:
            with Client(place.wait_socket(host.pid)) as client:
                client.call("mt.mem_alloc", "1m")
                client.call("mt.lease", "6s")
                start = time.monotonic()
                if not connected:
                    client.socket.close()
                wait_for(lambda: sleeps(host.pid), "its sleep")
                stop(host.pid)
                wait_for(lambda: time.monotonic() - start > 6, "the lease to be over")
                assert not expired_at(log), "too late to stop it"
                clock.call("mt.lease", "3s")
                os.kill(host.pid, signal.SIGCONT)
                first, second = (wait_for(lambda at=at: expired_at(at), "the lease to expire") for at in (log, others))
                assert first < second, (first, second)
            with Client(place.socket(host.pid)) as client:
                wait_for(lambda: client.call("mt.mem_used") == 0, "all to be taken back")


@fact
def a_lease_that_ran_out_while_the_host_was_stopped_acts_when_it_goes_on():
    expires_though_stopped(connected=False)


@fact
def a_lease_that_ran_out_while_the_host_was_stopped_acts_beside_a_client():
    expires_though_stopped(connected=True)


def answer(path, method):
    """None where the host's next call cut it off."""
    try:
        with Client(path) as client:
            return client.call(method)
    except (FileNotFoundError, ConnectionError, AssertionError):
        return None


@fact
def a_host_that_unshares_without_a_pause_obeys_and_its_lease_acts():
    with Place() as place:
        log = os.path.join(place.path, "log")
        with Program([victim("unshares")], env=place.environment(log=log), **PIPES) as host:
            path = place.wait_socket(host.pid)
            with Client(path) as client:
                client.call("mt.mem_alloc", "10m")
                host.tell("x")
                wait_for(lambda: answer(path, "mt.mem_used") == 10 * MIB, "an answer")
            wait_for(lambda: renews(path), "a lease")
            wait_for(lambda: expired_at(log), "the lease to expire")
            for method in ("mt.mem_used", "mt.reset") * 5:
                wait_for(lambda m=method: answer(path, m) == 0, f"an answer to {method}")
            equal(host.finish(), ("", 0))


def renews(path):
    """A request that is cut off may have been obeyed: then it has at least begun a lease."""
    try:
        with Client(path) as client:
            client.call("mt.lease", 500)
            return True
    except (FileNotFoundError, ConnectionError, AssertionError):
        return False


CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@by_root
def our_thread_loses_the_capabilities_that_the_host_drops():
    for way in ("capset", "capset-number", "bounding", "bounding-number"):
        with Place() as place, Program([victim("gives_up"), way], env=place.environment(), **PIPES) as host:
            obeys(place.wait_socket(host.pid))
            before = lines(host.pid, host.pid, *CAPABILITIES)
            host.tell()
            equal(host.hear(), "given up\n", way)
            (task,) = ours(host.pid)
            after = lines(host.pid, host.pid, *CAPABILITIES)
            assert after != before, way
            equal(lines(host.pid, task, *CAPABILITIES), after, way)
            obeys(place.wait_socket(host.pid))
            equal(host.finish(), ("", 0), way)
            equal(place.names(), [], way)


@by_root
def our_thread_writes_no_log_that_a_landlock_domain_denies_the_host():
    with Place() as place, Program([victim("gives_up"), "landlock"], env=place.environment(), **PIPES) as host:
        log = os.path.join(place.path, "log")
        with Client(place.wait_socket(host.pid)) as client:
            equal(client.ask(f"cfg.set_now_string malloc_test log {log}"), "200 OK")
            equal(client.ask('cfg.set_now_string malloc_test log ""'), "200 OK")
        host.tell()
        said = host.hear()
        need(said not in ("Function not implemented\n", "Operation not supported\n"), "the kernel has no Landlock")
        equal(said, "given up\n")
        obeys(place.wait_socket(host.pid))
        with Client(place.socket(host.pid)) as client:
            code, text = client.refusal("cfg.set_now_string", "malloc_test", "log", log)
            assert "Permission denied" in text, (code, text)
        equal(host.finish(), ("", 0))
        equal(place.names(), [])


def without_room():
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))


def takes_room(pid):
    resource.prlimit(pid, resource.RLIMIT_SIGPENDING, (0, 0))


# Leaves more signals pending than its user may have: others of the user's take none of them back. Then it waits.
FILL = """
import ctypes, resource, signal, sys
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN + 3})
sys.stdin.readline()
for _ in range(200):
    libc.sigqueue(libc.getpid(), signal.SIGRTMIN + 3, None)
resource.setrlimit(resource.RLIMIT_SIGPENDING, (100, 100))
print(libc.sigqueue(libc.getpid(), signal.SIGRTMIN + 3, None), flush=True)
sys.stdin.readline()
"""


def obeys_though(full, host, place):
    """A client that is there, one that comes, and a lease. Our thread sleeps without a deadline when the queue becomes full,
    and between."""
    log = os.path.join(place.path, "log")
    path = place.wait_socket(host.pid)
    with Client(path) as client:
        client.call("mt.mem_used")
        wait_for(lambda: sleeps(host.pid), "its sleep")
        full()
        wait_for(lambda: sleeps(host.pid), "its sleep")
        equal(client.call("mt.reset"), 0)
        equal(client.call("mt.info")["wakes"], "on demand")
    wait_for(lambda: sleeps(host.pid), "its sleep")
    obeys(path)
    with Client(path) as client:
        client.call("mt.mem_alloc", "1m")
        client.call("mt.lease", 200)
    wait_for(lambda: expired_at(log), "the lease to expire")
    obeys(path)


@fact
def a_host_whose_queue_of_signals_becomes_full_obeys():
    with Place() as place, Program(["/usr/bin/python3", "-c", FILL],
                                   env=place.environment(log=os.path.join(place.path, "log")), **PIPES) as host:
        def fill():
            host.tell()
            equal(host.hear(), "-1\n")
        obeys_though(fill, host, place)
        equal(host.finish(), ("", 0))


@fact
def a_host_that_may_queue_no_more_signals_obeys():
    with Place() as place, Program(["cat"], env=place.environment(log=os.path.join(place.path, "log")), **PIPES) as host:
        obeys_though(lambda: takes_room(host.pid), host, place)
        equal(host.finish(), ("", 0))


# Calls that want a process without a second thread, and one that does not; after each it counts the threads.
UNSHARE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0x200, 0x4000000, 0x20000, 0x10000000):
    sys.stdin.readline()
    print(libc.unshare(flags), os.strerror(ctypes.get_errno()), len(os.listdir("/proc/self/task")), flush=True)
sys.stdin.readline()
"""


def tell_without_room(host, early, place):
    """Gives the host its line once our thread, if it has one, sleeps and the limit is there."""
    if place:
        obeys(place.wait_socket(host.pid))
        wait_for(lambda: sleeps(host.pid), "its sleep")
    if not early:
        takes_room(host.pid)
    host.tell()


def unshares(early, env, place=None):
    """What the host says of each call. The limit comes before our thread or once that sleeps."""
    said = []
    with Program(["/usr/bin/python3", "-c", UNSHARE], env=env, preexec_fn=without_room if early else None, **PIPES) as host:
        for call in range(4):
            tell_without_room(host, early, place)
            said.append(host.hear())
        host.tell()
        equal(host.finish(), ("", 0))
    return said


@by_root
def a_host_without_room_for_signals_unshares_and_has_one_thread_of_ours():
    for early in (True, False):
        plain = unshares(early, without_library())
        equal([line.split()[0] for line in plain], ["0"] * 4)
        with Place() as place:
            equal(unshares(early, place.environment(), place), [line.replace(" 1\n", " 2\n") for line in plain])
            equal(place.names(), [])


# Makes one call for each line, once it may have so many tasks as the line says.
CALLS = """
import ctypes, resource, sys
libc = ctypes.CDLL(None)
print("ready", flush=True)
for line in sys.stdin:
    resource.setrlimit(resource.RLIMIT_NPROC, (int(line), 2))
    print(libc.{call}, flush=True)
"""
NOBODY_ELSE = 61235  # who has no other task


@by_root
def a_thread_that_a_limit_forbade_is_begun_by_the_next_call_that_wants_it():
    for call in ("mt_mem_alloc(1000)", "unshare(0x200)"):
        with Place() as place, Program(["/usr/bin/python3", "-c", CALLS.format(call=call)], env=place.environment(),
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 2)),
                                       user=NOBODY_ELSE, group=NOBODY_ELSE, extra_groups=[], **PIPES) as host:
            equal(host.hear(), "ready\n")
            assert calls(host, 1) and not ours(host.pid), call
            wait_for(lambda: calls(host, 2) and ours(host.pid), "our thread")
            obeys(place.wait_socket(host.pid))
            equal(host.finish(), ("", 0), call)
            equal(place.names(), [], call)


def calls(host, tasks):
    host.tell(f"{tasks}\n")
    return host.hear() == "0\n"


IDS = ("Uid", "Gid", "Groups", "CapPrm", "CapEff")


def has_given_up(way, early, env, place=None):
    """The rights of each thread, ours apart, once the main one has given its own up."""
    with Program([victim("gives_up"), way], env=env, preexec_fn=without_room if early else None, **PIPES) as host:
        tell_without_room(host, early, place)
        equal(host.hear(), "given up\n", way)
        threads = [lines(host.pid, task, *IDS) for task in ours(host.pid)]
        equal(len(threads), 1 if place else 0, way)
        if place:
            obeys(place.wait_socket(host.pid))
        main = lines(host.pid, host.pid, *IDS)
        equal(host.finish(), ("", 0), way)
        return main, threads


@by_root
def no_thread_keeps_what_a_host_without_room_for_signals_gives_up():
    for way in ("setresuid", "setuid", "setresgid", "setgroups", "setresuid-number"):
        for early in (True, False):
            plain, _ = has_given_up(way, early, without_library())
            with Place() as place:
                main, (thread,) = has_given_up(way, early, place.environment(), place)
                equal((main, thread), (plain, plain), f"{way}, {'before' if early else 'after'} our start")


run_facts()
