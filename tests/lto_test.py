#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The library as some packagers build it, optimised as a whole (-O3 -flto): what the compiler believes of dlsym and malloc
must not undo our guards. Built into a folder of its own, with the facts of the victims that begin or end with that."""

import glob
import os

os.environ["B"] = os.path.join(os.environ.get("B", "build"), "lto")  # for harness, too

from harness import TOP, fact, hold_in_this_build, make, run_facts  # noqa: E402

FACTS = {
    "host": ("nothing_that_a_host_can_see_is_changed", "forks_survive_while_commands_hammer",
             "blocks_from_before_the_constructors_live_and_die_as_others",
             "a_host_with_its_own_malloc_is_injected_through_that", "the_c_api_leaks_and_frees",
             "of_two_copies_the_second_passes_everything_on", "every_way_to_end_removes_the_name"),
    "object": ("the_exports_are_those_of_the_map_and_no_others",),
    "host_life": ("each_victim_says_and_leaves_the_same_with_and_without_the_library",
                  "a_library_that_is_finished_after_ours_allocates_all_the_same"),
}


@fact
def the_facts_of_the_victims_hold():
    hold_in_this_build(FACTS)


make("CFLAGS=-O3 -g -flto=auto", "all",
     *(f"{os.environ['B']}/{path[:-2]}" for path in glob.glob("tests/host_*.c", root_dir=TOP)),
     f"{os.environ['B']}/tests/plugin.so")
run_facts()
