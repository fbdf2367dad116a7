#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Another C library: the library, mtctl and the victims built with musl-gcc into a folder of their own,
the victims' facts that need no program of the system, and what the specification promises."""

import os
import subprocess

os.environ["B"] = os.path.join(os.environ.get("B", "build"), "musl")  # for harness, too

from harness import (BUILD, LIB, MIB, MTCTL, PATIENCE_S, Client, Place, Program, equal, fact,  # noqa: E402
                     hold_in_this_build, make, mtctl, near, resident, run_facts, value, wait_for)

# Not "early": musl does not run .preinit_array.
VICTIMS = ("address", "adopt", "api", "close", "end", "fork", "own_malloc", "quiet")
FACTS = {
    "host": (
        "nothing_that_a_host_can_see_is_changed",
        "a_host_that_closes_all_descriptors_still_gets_answers",
        "forks_survive_while_commands_hammer",
        "a_child_adopts_what_was_injected_and_tests_stay_with_the_parent",
        "a_host_with_its_own_malloc_is_injected_through_that",
        "a_program_with_a_stub_for_malloc_still_has_us_in_the_path",
        "the_c_api_leaks_and_frees",
        "a_host_built_with_the_header_runs_without_the_library",
        "every_way_to_end_removes_the_name",
        "the_end_of_a_vfork_child_leaves_the_parents_name",
    ),
    "object": ("the_exports_are_those_of_the_map_and_no_others",),
}


def host(place, **settings):
    """A program that ends when its standard input does."""
    return Program([os.path.join(BUILD, "tests", "host_address")], env=place.environment(**settings),
                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def end(program):
    program.process.stdin.close()
    return program.process.wait(timeout=PATIENCE_S)


@fact
def nothing_of_another_c_library_is_needed():
    for path in (LIB, MTCTL):
        got = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True)
        equal([line.split()[-1] for line in got.stdout.splitlines() if "(NEEDED)" in line],
              ["[libc.so]"], path)
        if "interpreter" in got.stdout:
            assert "/ld-musl-" in got.stdout, path


@fact
def the_facts_of_the_victims_hold():
    hold_in_this_build(FACTS)


@fact
def its_allocator_is_named_and_we_are_in_the_path():
    with Place() as place, host(place) as program:
        info = value(place.wait_socket(program.pid), "mt.info")
        assert info["allocator"].startswith("ld-musl-"), info
        equal((info["in_path"], info["program"]), (1, "host_address"))


@fact
def what_is_allocated_becomes_resident_and_leaves_again():
    with Place() as place, host(place) as program:
        path = place.wait_socket(program.pid)
        mtctl(path, "mt.mem_used")
        before = resident(program.pid)
        mtctl(path, "mt.mem_alloc", "100", "m")
        near(resident(program.pid) - before, 100 * MIB, MIB, "growth")
        equal(mtctl(path, "mt.mem_free", "100", "m"), "100\n")
        near(resident(program.pid), before, MIB, "after mem_free")
        mtctl(path, "mt.mem_rnd_alloc", "1", "64", "64", "m")
        assert resident(program.pid) - before >= 64 * MIB
        equal(mtctl(path, "mt.mem_free"), f"{64 * MIB}\n")
        near(resident(program.pid), before, 2 * MIB, "after many small ones")
        equal(value(path, "mt.mem_trim")["how"], "none")


@fact
def tests_run_and_a_reset_takes_them_back():
    with Place() as place, host(place, check_content=1) as program:
        with Client(place.wait_socket(program.pid)) as client:
            client.call("mt.mem_test_start", 1000, 5000, "1m", 1, 2, "1h")
            client.call("mt.mem_test_start", 10, 10, 200, 1, 1, "100ms")
            wait_for(lambda: client.call("mt.mem_test_list")[1]["overflows"] > 0,
                     "the first to go round")
            wait_for(lambda: client.call("mt.mem_test_list")[0]["remaining_s"] == 0 and
                     client.call("mt.mem_test_list")[0]["held"] == 0, "the second to end")
            client.call("mt.reset")
            status = client.call("mt.status")
            equal((status["held"], status["tests_running"], status["corruptions"]), (0, 0, 0))


@fact
def it_ends_as_it_would_have_and_leaves_no_name():
    with Place() as place, host(place) as program:
        mtctl(place.wait_socket(program.pid), "mt.mem_alloc", "1", "m")
        equal((end(program), place.names()), (0, []))


make("CC=musl-gcc", "all", *(f"{os.environ['B']}/tests/host_{name}" for name in VICTIMS))
run_facts()
