#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""where=host: the host's own threads allocate what is injected."""

from harness import MIB, PIPES, Client, Place, Program, equal, fact, run_facts, victim, wait_for
from pins import pinned_by


def nothing_is_pending(client):
    status = client.call("mt.status")
    return status["pending"] == status["held"] == 0


@fact
def only_a_leak_by_the_hosts_own_thread_pins_what_the_host_has_freed():
    by_host, by_thread = pinned_by("host"), pinned_by("thread")
    print(f"pinned after the host freed 200 MB: {by_host / 1e6:.0f} MB by its own thread, "
          f"{by_thread / 1e6:.0f} MB by ours", flush=True)
    assert by_host > 150 * MIB, by_host
    assert by_thread < 20 * MIB, by_thread


@fact
def host_that_does_not_allocate_is_reported_and_nothing_stays():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(where="host")) as host, \
            Client(place.wait_socket(host.pid)) as client:
        code, text = client.refusal("mt.mem_rnd_alloc", 100, 100, 1000)
        equal(code, 408)
        equal(text, "where=host: the host's threads have not called malloc for a second: 0 bytes in 0 chunks "
                    "were allocated and stay, 1000 bytes were pending")
        leak = client.call("mt.leak_start", rate="1m", size="10k")
        wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["pending"], "a pending chunk")
        equal(client.call("mt.mem_test_list", leak)[0]["pending"], 10 << 10)
        client.call("mt.mem_test_stop", leak)
        wait_for(lambda: nothing_is_pending(client), "all to be given up")
        client.call("mt.mem_test_start", 10, 10, 100, 1, 1, "1h")
        client.call("mt.leak_start", rate="1m")
        client.call("mt.reset")
        assert nothing_is_pending(client)
        client.call("mt.mem_test_destroy_all")
        equal(client.call("mt.mem_test_list"), [])


@fact
def what_nobody_has_allocated_is_pending_and_not_used():
    with Place() as place, Program(["sleep", "1000"], env=place.environment()) as host, \
            Client(place.wait_socket(host.pid)) as client:
        def figures():
            status = client.call("mt.status")
            return client.call("mt.mem_used"), status["held"], status["pending"]

        leak = client.call("mt.leak_start", rate="1m", limit="1m", where="host")
        wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["pending"] == 65536, "a pending chunk")
        equal(figures(), (0, 0, 65536))
        equal(client.call("mt.mem_free"), 0)
        client.call("mt.mem_alloc", 1000)
        equal(figures(), (1000, 1000, 65536))
        client.call("cfg.set_now_int", "malloc_test", "max_bytes", 65536 + 1000)
        equal(client.refusal("mt.mem_alloc", 1)[1], "memory allocation failed: 1 bytes asked, 1000 held, 65536 pending, "
                                                    "max_bytes is 66536")
        equal(client.call("mt.mem_free"), 1000)
        equal(figures(), (0, 0, 65536))
        with open(place.run + "/STOP", "w"):
            wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["pending"] == 0, "STOP to give up what is pending alone")
            equal(figures(), (0, 0, 0))
        equal(client.call("mt.mem_test_list", leak)[0]["state"], "stopped")


@fact
def more_tests_than_the_host_is_asked_for_at_a_time_wait():
    with Place() as place, Program([victim("churn")], env=place.environment(), **PIPES) as host, \
            Program(["sleep", "1000"], env=place.environment()) as sleeper, \
            Client(place.wait_socket(host.pid)) as client, Client(place.wait_socket(sleeper.pid)) as asleep:
        for one in (client, asleep):
            for _ in range(300):
                one.call("mt.leak_start", rate="1g", limit="64k", size="16k", where="host")
        wait_for(lambda: asleep.call("mt.status")["pending"] == 300 << 14, "a chunk of each to be pending")
        assert all((test["pending"], test["errors"]) == (1 << 14, 0) for test in asleep.call("mt.mem_test_list"))
        asleep.call("cfg.set_now_string", "malloc_test", "where", "host")
        code, text = asleep.refusal("mt.mem_alloc", 10)
        assert code == 408 and text.endswith("10 bytes were pending"), text
        asleep.call("mt.reset")
        assert nothing_is_pending(asleep)
        wait_for(lambda: client.call("mt.mem_used") == 300 << 16, "all limits")
        assert all((test["held"], test["errors"]) == (1 << 16, 0) for test in client.call("mt.mem_test_list"))
        host.tell("exit\n")
        equal(host.process.wait(), 3)


@fact
def test_ends_in_time_though_the_host_does_not_allocate():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(where="host")) as host, \
            Client(place.wait_socket(host.pid)) as client:
        test = client.call("mt.mem_test_start", 10, 10, 100, 1, 1, 50)
        wait_for(lambda: client.call("mt.mem_test_list", test)[0]["state"] == "ended", "its end")
        equal(client.call("mt.mem_used"), 0)


@fact
def a_host_whose_malloc_refuses_everything_is_not_asked_for_ever():
    with Place() as place, Program([victim("churn")], env=place.environment(where="host", min_available_percent=0),
                                   **PIPES) as host, Client(place.wait_socket(host.pid)) as client:
        code, text = client.refusal("mt.mem_rnd_alloc", "15t", "15t", "100000t")
        equal((code, text), (400, "memory allocation failed (1000 errors): 0 bytes in 0 chunks were allocated and stay"))


@fact
def many_threads_serve_at_once():
    with Place() as place, Program([victim("churn")], env=place.environment(where="host", check_content=1),
                                   **PIPES) as host, Client(place.wait_socket(host.pid)) as client:
        client.call("mt.mem_rnd_alloc", 1, 10000, "4m")
        equal(client.call("mt.mem_used"), 4 * MIB)
        leak = client.call("mt.leak_start", rate="100m", limit="4m", size="4k")
        test = client.call("mt.mem_test_start", 1, 5000, "100k", 1, 1, "1h")
        wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["held"] == 4 * MIB, "the limit")
        wait_for(lambda: client.call("mt.mem_test_list", test)[0]["overflows"] > 2, "three cycles")
        equal(client.call("mt.mem_check")["damaged"], 0)
        client.call("mt.reset")
        wait_for(lambda: client.call("mt.mem_used") == 0, "all to be given up")
        host.tell("exit\n")
        equal(host.process.wait(), 3)


@fact
def program_with_a_malloc_of_its_own_is_refused():
    with Place() as place, Program([victim("own_malloc")], env=place.environment(), **PIPES) as host, \
            Client(place.wait_socket(host.pid)) as client:
        code, text = client.refusal("mt.leak_start", rate="1m", where="host")
        equal(code, 400)
        assert text.startswith("where=host is not possible here"), text
        equal(client.call("mt.mem_test_list"), [])
        client.call("cfg.set_now_string", "malloc_test", "where", "host")
        equal(client.refusal("mt.leak_start", rate="1m", kind="untouched"), (code, text))
        equal(client.call("mt.leak_start", rate="1m", kind="mmap"), 1)
        equal(client.call("mt.mem_test_list")[0]["where"], "thread")


@fact
def mappings_are_made_by_our_thread_and_listed_so():
    with Place() as place, Program(["sleep", "1000"], env=place.environment(where="host")) as host, \
            Client(place.wait_socket(host.pid)) as client:
        code, text = client.refusal("mt.leak_start", rate="1m", kind="shmem", where="host")
        equal(code, 400)
        equal(text, "where=host is not possible with kind=shmem: our thread makes the mappings (accepted: where=thread, or "
                    "kind=heap or untouched)")
        for kind, where in (("mmap", "thread"), ("shmem", "thread"), ("heap", "host"), ("untouched", "host")):
            leak = client.call("mt.leak_start", rate="1g", limit="1m", kind=kind)
            equal(client.call("mt.mem_test_list", leak)[0]["where"], where)
            if where == "thread":
                wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["held"] == MIB, kind)


if __name__ == "__main__":
    run_facts()
