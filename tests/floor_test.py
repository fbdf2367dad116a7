#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How old a C library may be. A program whose C library lacks a version that we need does not start
under us at all, so the floor that the README states must not rise unnoticed."""

import os
import re
import subprocess

from harness import LIB, MTCTL, TOP, equal, fact, run_facts

# The oldest that programs are still run with. What is younger needs a reason here.
OLD = (2, 17)
YOUNGER = {
    # These moved from libdl and libpthread into libc. Their old versions would need both as libraries
    # of their own, loaded into every host.
    "dlsym": (2, 34), "pthread_create": (2, 34), "pthread_key_create": (2, 34),
    "pthread_setspecific": (2, 34), "pthread_once": (2, 34), "pthread_mutex_trylock": (2, 34),
    "pthread_attr_setstacksize": (2, 34), "pthread_sigmask": (2, 32),
    # Inline functions before, on top of calls that newer headers do not have.
    "fstat": (2, 33), "fstatat": (2, 33), "stat": (2, 33), "lstat": (2, 33),
    # Functions of C23, by which newer headers replace strtol and the like wherever GNU's extensions are wanted.
    "__isoc23_strtol": (2, 38), "__isoc23_strtoul": (2, 38), "__isoc23_strtoull": (2, 38),
    "__libc_start_main": (2, 34),  # of each program that is linked by so new a C library
}


def version(text):
    return tuple(map(int, text.split(".")))


def needed(path):
    """{symbol: version} of what the C library has to bring."""
    table = subprocess.run(["readelf", "--dyn-syms", "-W", path], capture_output=True, text=True,
                           check=True).stdout
    return {name: version(number) for name, number in re.findall(r" UND (\w+)@GLIBC_([\d.]+)", table)}


def version_needs(path):
    """All versions in the table that the dynamic linker reads before the program may start."""
    table = subprocess.run(["readelf", "-V", "-W", path], capture_output=True, text=True,
                           check=True).stdout
    return {version(v) for v in re.findall(r"Name: GLIBC_([\d.]+)", table)}


def stated():
    """README has one floor for each release with whose headers we are built."""
    headers = version(os.confstr("CS_GNU_LIBC_VERSION").split()[1])
    with open(os.path.join(TOP, "README.md")) as readme:
        return max(floor for floor in map(version, re.findall(r"glibc (\d+\.\d+) or later", readme.read())) if floor <= headers)


@fact
def only_known_symbols_are_younger_than_the_oldest_in_use():
    for path in (LIB, MTCTL):
        symbols = needed(path)
        assert len(symbols) > 30, symbols
        surprises = {name: version for name, version in symbols.items()
                     if version > max(OLD, YOUNGER.get(name, OLD))}
        equal(surprises, {}, path)


@fact
def the_floor_is_the_one_that_the_readme_states():
    for path in (LIB, MTCTL):
        equal(max(version_needs(path)), stated(), path)


run_facts()
