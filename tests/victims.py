# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of every victim: that it does the same as without the library, and that it obeys."""

import subprocess

from harness import (MIB, PATIENCE_S, Client, Place, equal, without_library)


def outcome(argv, env, line=""):
    done = subprocess.run(argv, env=env, input=line, capture_output=True, text=True,
                          timeout=2 * PATIENCE_S)
    return done.returncode, done.stdout, done.stderr


def same_with_and_without(*argv, line="", **settings):
    """Runs it both ways to its end; what it printed."""
    plain = outcome(argv, without_library(), line)
    with Place() as place:
        equal(outcome(argv, place.environment(**settings), line), plain, " ".join(argv))
        equal(place.names(), [])
    return plain


def obeys(path):
    """Leaks, looks, takes back."""
    with Client(path) as client:
        pid = client.call("mt.info")["pid"]
        before = client.call("mt.mem_used")
        client.call("mt.mem_alloc", "1m")
        equal(client.call("mt.mem_used") - before, MIB)
        client.call("mt.reset")
        equal(client.call("mt.mem_used"), 0)
        return pid
