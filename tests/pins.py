# SPDX-License-Identifier: BSD-2-Clause
"""What a small leak keeps resident of much that the host has freed: it pins the blocks among which it lies."""

from harness import Client, Place, Program, PIPES, equal, resident, victim, wait_for

STEPS = 50
STEP = 1000  # blocks of 4000 bytes


def pinned_by(where, environment=Place.environment):
    """Bytes that stay resident of 200 MB that the host has freed, after 200 KB at most were leaked
    meanwhile: 20 chunks for each step, of which the first is there when the step begins, so that some lie
    between the last blocks too, however fast the others come. `environment` makes the host's from its place."""
    with Place() as place, Program([victim("pins")], env=environment(place), **PIPES) as host, \
            Client(place.wait_socket(host.pid)) as client:
        def step(line):
            host.tell(line + "\n")
            equal(host.hear(), "done\n")

        def has_begun(leak):
            state = client.call("mt.mem_test_list", leak)[0]
            return state["held"] or state["pending"]

        client.call("mt.mem_used")
        before = resident(host.pid)
        for _ in range(STEPS):
            leak = client.call("mt.leak_start", rate="1g", limit=4000, size=200, where=where)
            wait_for(lambda: has_begun(leak), "a chunk to be served")
            step(f"alloc {STEP}")
        held = client.call("mt.mem_used")
        assert STEPS * 200 <= held <= STEPS * 4000, held
        step("free")
        pinned = resident(host.pid) - before
        client.call("mt.reset")
        equal(client.call("mt.mem_used"), 0)
        return pinned
