#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Inside a memory control group of its own: the budget knows its limit, and at the limit everything can still be
taken back. Where this machine lets nobody make such a group there is nothing to be seen, which is said."""

import contextlib
import os
import subprocess
import tempfile

from harness import (BUILD, MIB, Client, MemoryGroup, Place, Program, equal, fact, group_name, need, run_facts,
                     wait_for)

VERSION_1, VERSION_2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
LIMIT = 128 * MIB


class Group(MemoryGroup):
    """One with a limit, of the version that is here."""

    def __init__(self):
        first = os.path.exists(f"{VERSION_1}/memory.limit_in_bytes")
        self.limit, self.usage = ("memory.limit_in_bytes", "memory.usage_in_bytes") if first else \
            ("memory.max", "memory.current")
        self.name = group_name()
        super().__init__(os.path.join(VERSION_1 if first else VERSION_2, self.name), {self.limit: LIMIT})

    def used(self):
        with open(os.path.join(self.path, self.usage)) as file:
            return int(file.read())

    def run(self, argv, **options):
        """A program that is in the group from its beginning."""
        procs = os.path.join(self.path, "cgroup.procs")
        return Program(["sh", "-c", 'echo $$ > "$0" && exec "$@"', procs, *argv], **options)


@fact
def what_would_not_fit_is_refused_with_the_groups_figures():
    with Group() as group, Place() as place:
        with group.run(["sleep", "1000"], env=place.environment(only="sleep")) as host, \
                Client(place.wait_socket(host.pid)) as client:
            code, text = client.refusal("mt.mem_alloc", 2 * LIMIT)
            equal(code, 400)
            assert f"cgroup /{group.name} has " in text and f" of {LIMIT} available" in text, text
            equal(client.call("mt.mem_used"), 0)
            # A leak without a limit goes as far as may be, and the host lives.
            leak = client.call("mt.leak_start", rate="10g", size="256k")
            while client.call("mt.mem_test_list", leak)[0]["errors"] == 0:
                pass
            held = client.call("mt.mem_used")
            assert LIMIT * 3 // 4 < held < LIMIT, held
            client.call("mt.mem_test_destroy", leak)
            equal(client.call("mt.mem_used"), 0)


@fact
def a_percentage_is_of_the_groups_limit():
    with Group() as group, Place() as place:
        env = place.environment(only="sleep", max_bytes="75%", min_available_percent=0)
        with group.run(["sleep", "1000"], env=env) as host, \
                Client(place.wait_socket(host.pid)) as client:
            equal(client.call("cfg.get", "malloc_test", "max_bytes"), LIMIT * 3 // 4)
            equal(client.ask("mt.mem_alloc 25%"), "200 OK")
            equal(client.call("mt.mem_used"), LIMIT // 4)
            client.call("mt.mem_alloc", size="12.5%")
            equal(client.call("mt.mem_used"), LIMIT // 4 + LIMIT // 8)
            equal(client.call("mt.mem_free", "12.5%"), LIMIT // 8)
            code, text = client.refusal("mt.mem_alloc", "70%")
            assert code == 400 and f"{LIMIT * 7 // 10} bytes asked" in text, text
            leak = client.call("mt.leak_start", limit="50%", time="1s")
            equal(client.call("mt.mem_test_list", leak)[0]["total"], LIMIT // 2)
            wait_for(lambda: client.call("mt.mem_test_list", leak)[0]["held"] == LIMIT // 2, "the ramp's top")
            client.call("cfg.set_now_string", "malloc_test", "max_bytes", "12.5%")
            equal(client.call("cfg.get", "malloc_test", "max_bytes"), LIMIT // 8)
            equal(client.call("mt.reset"), LIMIT // 4 + LIMIT // 2)


@fact
def cache_that_can_be_reclaimed_does_not_count_as_used():
    """Its file is in the build's directory: of a /tmp in memory nothing could be reclaimed."""
    with Group() as group, Place() as place, tempfile.TemporaryDirectory(dir=BUILD) as directory:
        file = os.path.join(directory, "cache")
        with group.run(["dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=100", "conv=fsync"],
                       stderr=subprocess.DEVNULL) as filling:
            equal(filling.process.wait(), 0)
        assert group.used() > 64 * MIB, group.used()
        with group.run(["sleep", "1000"], env=place.environment(only="sleep")) as host, \
                Client(place.wait_socket(host.pid)) as client:
            client.call("mt.mem_alloc", 100 * MIB)
            equal(client.call("mt.mem_used"), 100 * MIB)


@fact
def at_the_limit_everything_is_taken_back():
    """The pages of the group are all taken; what comes now comes by reclaiming, or not at all."""
    with Group() as group, Place() as place:
        with group.run(["sleep", "1000"], env=place.environment(only="sleep", min_available_percent=0)) as host, \
                Client(place.wait_socket(host.pid)) as client:
            before = group.used()
            client.call("mt.mem_rnd_alloc", 1000, 100000, LIMIT // 2)
            client.call("mt.leak_start", rate="1g", limit=LIMIT // 8, kind="mmap")
            while client.call("mt.mem_used") < LIMIT // 2 + LIMIT // 8:
                pass
            group.write(group.limit, group.used() + 4096)
            assert client.call("mt.reset") >= LIMIT // 2
            equal(client.call("mt.mem_used"), 0)
            equal(host.process.poll(), None)
            assert group.used() < before + LIMIT // 8, group.used()


# A group of version 2 as its files would look: the host's own without a limit, its parent with one, most of whose use
# is cache. The names are as the kernel has them; the figures are ours, so that they are known on any machine.
PLAY_VERSION_2 = """
set -e
echo $$ > "$REAL/$GROUP/inner/cgroup.procs"
mount -t tmpfs none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$GROUP/inner"
cd "/sys/fs/cgroup/$GROUP"
echo max > inner/memory.max
echo 41943040 > inner/memory.current
echo 134217728 > memory.max
echo 104857600 > memory.current
printf 'anon 41943040\nfile 62914560\ninactive_anon 0\nactive_anon 41943040\n' > memory.stat
printf 'inactive_file 41943040\nactive_file 20971520\nunevictable 0\n' >> memory.stat
cd /
exec "$@"
"""


@contextlib.contextmanager
def unified():
    """An empty group of version 2 in another: where they lie and the outer one's name."""
    real = next((path for path in (f"{VERSION_2}/unified", VERSION_2) if os.path.exists(f"{path}/cgroup.procs")), None)
    name = group_name()
    try:
        os.makedirs(f"{real}/{name}/inner")
    except OSError as error:
        need(False, f"no control group of version 2 can be made here: {error}")
    try:
        yield real, name
    finally:
        os.removedirs(f"{real}/{name}/inner")


@fact
def the_tightest_limit_of_version_2_counts_up_the_ancestors():
    with unified() as (real, name), Place() as place:
        env = {**place.environment(only="sleep"), "REAL": real, "GROUP": name}
        with Program(["unshare", "-m", "sh", "-c", PLAY_VERSION_2, "sh", "sleep", "1000"], env=env) as host, \
                Client(place.wait_socket(host.pid)) as client:
            code, text = client.refusal("mt.mem_alloc", 82 * MIB)
            equal(code, 400)
            assert f"cgroup /{name} has {88 * MIB} of {LIMIT} available" in text, text
            client.call("mt.mem_alloc", 81 * MIB)
            equal(client.call("mt.reset"), 81 * MIB)
            client.call("mt.mem_alloc", "50%")
            equal(client.call("mt.mem_used"), LIMIT // 2, "of the parent's limit")


if __name__ == "__main__":
    run_facts()
