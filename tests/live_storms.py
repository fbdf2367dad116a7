#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Storms, bounded in count: no hang, no crash, no wrong answer, no name left. MT_STORM=10 makes them ten times as long
(make soak); MT_SEED repeats a run."""

import os
import random
import re
import signal
import subprocess
import threading

from harness import (MIB, PATIENCE_S, PIPES, Client, Place, Program, equal, fact, run_facts, victim,
                     wait_for)

STORM = int(os.environ.get("MT_STORM", "1"))
SEED = int(os.environ.get("MT_SEED", random.randrange(1 << 32)))
print(f"MT_SEED={SEED} MT_STORM={STORM}", flush=True)
RANDOM = random.Random(SEED)


class WrongAnswer(Exception):
    pass


def ask(client, command, allowed):
    """One text request, whose whole reply has to be what the pattern allows."""
    answer = client.ask(command)
    if not re.fullmatch(allowed, answer):
        raise WrongAnswer(f"to {command}: {answer}")


class Hammers:
    """Clients that command without end, until the host goes away; errors before that are wrong, and so is at any
    time an answer that none of the patterns beside the command allows."""

    def __init__(self, path, count, commands):
        self.path, self.commands, self.ending, self.wrong = path, list(commands.items()), threading.Event(), []
        self.done = 0
        self.threads = [threading.Thread(target=self.run, args=(RANDOM.randrange(1 << 32),))
                        for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def run(self, seed):
        choose = random.Random(seed)
        try:
            while not self.ending.is_set():
                with Client(self.path) as client:
                    for _ in range(choose.randrange(1, 200)):
                        ask(client, *choose.choice(self.commands))
                        self.done += 1
        except WrongAnswer as wrong:
            self.wrong.append(wrong)
        except (OSError, AssertionError) as error:
            # The host may go away before we are told that it does.
            if not self.ending.wait(PATIENCE_S):
                self.wrong.append(error)


def structure(*members):
    """The pattern of one, whose members are patterns of lines; a name without a colon has a number."""
    lines = (name if ":" in name else rf"{re.escape(name)} *: \d+" for name in members)
    return r"\{\n" + "".join(rf"\t{line}\n" for line in lines) + r"\}"


def listing(of):
    """The pattern of a member's many elements."""
    return rf": \[\n(?:{of}\n)*\t\]"


# Patterns of whole replies.
DONE, NUMBER = "200 OK", r"200 OK\n\d+"
REFUSED = r"400 memory allocation failed.*"  # the machine may have little left
CANCELLED = r"409 cancelled: \d+ chunks, \d+ bytes were %s until then, and everything is being freed"  # by a reset or a lease
ALLOCATED = rf"{DONE}|{REFUSED}|{CANCELLED % 'allocated'}"
FREED = rf"{NUMBER}|{CANCELLED % 'freed'}"
TEST = structure("ID", "run time (s)", "remaining (s)", "allocations", "errors", "overflows", "total alloc", "min",
                 "max", "total", "reallocs", r"corruptions *: 0", "held", "allocated", "resident",
                 r"shape *: (?:cycle|rate|step)", r"kind *: (?:heap|mmap|shmem)", r"where *: (?:thread|host)",
                 "pending", r"state *: (?:running|ended|stopped)", r"sequence *: [0-9a-f]{16}", r"refusal *: .*")
STATUS = structure("held", "pending", "hand_bytes", "hand_chunks", "tests_running", "tests_stopped", r"corruptions *: 0",
                   "refusals", "record_bytes", "clients", r"clients_limit *: 64", "lease_ms_left", r"stopped *: ")
INFO = structure("pid", "parent", r"program *: host_\w+", "uid", r"version *: [\d.]+", "uptime_s",
                 r"allocator *: \S+", r"in_path *: [01]", r"wakes *: on demand", r"held_up *: 0",
                 r"socket *: (?:\S+\.sock)?",  # a name goes before the process does
                 "clients", r"clients_limit *: 64",
                 r"settings *: \{\n(?:\t\t\w+ *: .*\n)+\t\}", "environment *" + listing("never"))
DESCRIBED = structure(r"version *: [\d.]+", r"settings_group *: malloc_test", "commands *" + listing(r"\t\t.*"),
                      "settings *" + listing(r"\t\t.*"))
SOUND = structure("chunks", r"damaged *: 0", "list *" + listing("never"))
TRIMMED = structure(r"how *: \S+", "resident_before", "resident_after")

# What the storms command, and all that may be answered to it.
MIXED = {
    "mt.mem_alloc 300 k": ALLOCATED,
    "mt.mem_rnd_alloc 1 3000 300k": ALLOCATED,
    "mt.mem_free 100 k": FREED,
    "mt.mem_free": FREED,
    "mt.mem_test_start 1 5000 100000 1 2 50": NUMBER,
    "mt.mem_test_list": rf"200 OK(?:\n{TEST})*",
    "mt.mem_test_destroy_all": DONE,
    "mt.mem_used": NUMBER,
    "mt.status": rf"200 OK\n{STATUS}",
    "mt.info": rf"200 OK\n{INFO}",
    "cfg.set_now_int malloc_test check_content 1": DONE,
    "cfg.set_now_int malloc_test check_content 0": DONE,
    "mt.reset": NUMBER,
    "mt.describe": rf"200 OK\n{DESCRIBED}",
    "nonsense": r"500 command nonsense not found \(mt\.help lists them\)",
    "mt.mem_realloc 5 k": rf"{DONE}|{REFUSED}|400 nothing to resize .*|{CANCELLED % 'resized'}",
    "mt.mem_check": rf"200 OK\n{SOUND}|{CANCELLED % 'verified'}",
    "mt.mem_trim": rf"200 OK\n{TRIMMED}|409 cancelled: a trim that has begun goes on",
    "mt.lease 1": DONE,
    "cfg.set_now_int malloc_test realloc_p 30": DONE,
    "cfg.set_now_int malloc_test realloc_p 0": DONE,
    "mt.leak_start 100m limit=1m size=2k where=host time=30": NUMBER,
    "mt.leak_start 100m limit=1m kind=mmap": NUMBER,
    "mt.leak_start 10m limit=2m kind=shmem time=20": NUMBER,
    "mt.leak_start 1m limit=1m shape=step size=100": NUMBER,
}


@fact
def twenty_thousand_forks_while_four_clients_command():
    count = 20000 * STORM
    with Place() as place, Program([victim("fork"), str(count)], env=place.environment(),
                                   **PIPES) as host:
        with Hammers(place.wait_socket(host.pid), 4, MIXED) as hammers:
            out, _ = host.process.communicate(timeout=3600)
            hammers.ending.set()
        equal((out, host.process.returncode, hammers.wrong), (f"{count} children\n", 0, []))
        assert hammers.done > 0
        equal(place.names(), [])


@fact
def threads_come_and_go_under_load():
    with Place() as place, Program([victim("tsd"), str(20000 * STORM)], env=place.environment(),
                                   **PIPES) as host:
        with Hammers(place.wait_socket(host.pid), 2, MIXED) as hammers:
            out, _ = host.process.communicate(timeout=3600)
            hammers.ending.set()
        equal((out, host.process.returncode, hammers.wrong), (f"{20000 * STORM} threads\n", 0, []))
        equal(place.names(), [])


@fact
def five_hundred_threads_live_and_end_at_once_under_load():
    for _ in range(STORM):
        with Place() as place, Program([victim("tsd"), "500", "together"], env=place.environment(),
                                       **PIPES) as host:
            equal(host.hear(), "together\n")
            with Hammers(place.wait_socket(host.pid), 2, MIXED) as hammers:
                wait_for(lambda: hammers.done > 50, "commands to run")
                assert len(os.listdir(f"/proc/{host.pid}/task")) > 501, "its main thread, 500 others and ours"
                out, _ = host.process.communicate("\n", timeout=PATIENCE_S)
                hammers.ending.set()
            equal((out, host.process.returncode, hammers.wrong), ("500 threads\n", 0, []))
            equal(place.names(), [])


WAYS = {"exit": 3, "_exit": 3, "abort": -signal.SIGABRT, "return": 3, "main": 0}


@fact
def the_host_may_end_in_the_middle_of_anything():
    """During a command, a test, bulk allocation and bulk freeing, in each way that there is."""
    for round_number in range(8 * STORM):
        for way, status in WAYS.items():
            with Place() as place, Program([victim("churn")], env=place.environment(),
                                           **PIPES) as host:
                path = place.wait_socket(host.pid)
                with Client(path) as starter, Hammers(path, 2, MIXED) as hammers:
                    ask(starter, "mt.mem_test_start 1 100000 10000000 1 1 3600000", NUMBER)
                    ask(starter, "mt.mem_rnd_alloc 1 500 20m", ALLOCATED)
                    starter.send(["mt.mem_rnd_alloc 1 64 1g\n", "mt.mem_alloc 2g\n",
                                  "mt.mem_free\n", "mt.reset\n"][round_number % 4])
                    wait_for(lambda: hammers.done > RANDOM.randrange(1, 50), "commands to run")
                    hammers.ending.set()
                    host.process.communicate(way + "\n", timeout=PATIENCE_S * 5)
                equal(host.process.returncode, status, way)
                equal(hammers.wrong, [], way)
                if way == "abort":  # nothing of ours runs then: the next bind prunes
                    with Program(["sleep", "1000"], env=place.environment()) as other:
                        place.wait_socket(other.pid)
                        equal(other.stop(), -signal.SIGTERM)
                    place_names_of(place, other.pid)
                else:
                    equal(place.names(), [], way)


def place_names_of(place, pid):
    """SIGTERM without a handler leaves its own name, and no other."""
    equal(place.names(), [f"mtpreload.{pid}.sock"])


@fact
def kill_9_at_any_point_leaves_names_that_the_next_bind_prunes():
    with Place() as place:
        for _ in range(40 * STORM):
            with Program([victim("churn")], env=place.environment(), **PIPES) as host:
                path = place.wait_socket(host.pid)
                with Hammers(path, 2, MIXED) as hammers:
                    wait_for(lambda: hammers.done > RANDOM.randrange(1, 100), "commands to run")
                    hammers.ending.set()
                    host.process.kill()
                    host.process.wait()
                equal(hammers.wrong, [])
        assert len(place.names()) >= 1
        with Program([victim("end"), "exit"], env=place.environment(), **PIPES) as last:
            place.wait_socket(last.pid)
            last.tell()
            last.finish()
        equal(place.names(), [])


@fact
def instances_come_and_go_by_the_dozen():
    """Binding, renaming and pruning in one directory, by many at once."""
    with Place() as place:
        for _ in range(10 * STORM):
            hosts = [subprocess.Popen([victim("end"), RANDOM.choice(["exit", "_exit", "return"])],
                                      env=place.environment(), stdin=subprocess.PIPE)
                     for _ in range(30)]
            for host in RANDOM.sample(hosts, 20):
                place.wait_socket(host.pid)
            for host in hosts:
                host.communicate(b"\n", timeout=PATIENCE_S)
                equal(host.returncode, 4)
        equal(place.names(), [])


@fact
def a_storm_of_tests_is_taken_back():
    with Place() as place, Program([victim("churn")], env=place.environment(), **PIPES) as host:
        with Client(place.wait_socket(host.pid)) as client:
            for _ in range(3 * STORM):
                for _ in range(2000):
                    client.send("mt.mem_test_start 1 2000 20000 1 3 1000000\n")
                for _ in range(2000):
                    answer = client.until(b"\n\n")
                    assert re.fullmatch(NUMBER, answer), answer
                wait_for(lambda: client.call("mt.mem_used") > MIB, "the tests to hold something")
                client.call("mt.reset")
                equal(client.call("mt.mem_used"), 0)
                client.call("mt.mem_test_destroy_all")
                equal(client.call("mt.status")["record_bytes"], 0)
        host.tell("exit\n")
        host.finish()
        equal(place.names(), [])


run_facts()
