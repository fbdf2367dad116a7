# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of everything that takes back by itself."""

import contextlib
import os
import signal

from harness import MIB, equal, resident, wait_for

IDLE = ["sleep", "1000"]
TEST = ("mt.mem_test_start", "64k", "64k", "10m", 1, 1, "1h")
INJECTING = ["mt.mem_alloc 10", "mt.mem_rnd_alloc 1 2 10", "mt.mem_test_start 1 1 1 1 1 1h"]


def our_thread(pid):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            with open(f"/proc/{pid}/task/{tid}/comm") as comm:
                if comm.read().strip().split(":")[0] == "mtpreload":
                    return tid
    return None


def inotifies(pid, tid):
    """How many inotify instances are in the descriptor table of this thread."""
    count, folder = 0, f"/proc/{pid}/task/{tid}/fd"
    for fd in os.listdir(folder):
        try:
            count += os.readlink(f"{folder}/{fd}") == "anon_inode:inotify"
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def watches(pid):
    """Does our thread hold an inotify instance? The host's own table never does."""
    equal(inotifies(pid, pid), 0, "in the host's table")
    return inotifies(pid, our_thread(pid))


class Stop:
    """The file STOP in the sockets' directory."""

    def __init__(self, place):
        self.path = os.path.join(place.run, "STOP")

    def __enter__(self):
        open(self.path, "w").close()
        return self

    def __exit__(self, *_):
        os.unlink(self.path)

    def refuses(self, client):
        for line in INJECTING:
            equal(client.ask(line), f"403 stopped by {self.path} (remove it to go on)", line)


def inject(client):
    # No small block among them, not even as the last: glibc's thread cache might keep it, and
    # the pages below.
    client.call("mt.mem_rnd_alloc", 51200, 51200, "50m")
    client.call(*TEST)
    wait_for(lambda: client.call("mt.mem_used") > 50 * MIB, "the test to hold something")


def nothing_is_left(client):
    """mt.status comes last: it looks for STOP itself."""
    return client.call("mt.mem_used") == 0 and client.call("mt.status")["tests_running"] == 0


def wait_given_back(pid, before):
    """The last of it is given back a moment after nothing is held any more."""
    wait_for(lambda: resident(pid) <= before + 3 * MIB, f"RSS to be {before} again")


# The library's promise that what is to be taken back is so within a second is not timed from here, where a slow machine would
# be taken for a slow library. A leak with a chunk every 10 ms counts for us: it goes on until it is stopped, and of what it is late
# it makes up no more than 100 ms' worth, so while our thread cannot run it hardly counts.
TICK_BYTES = 4 * MIB
LEAK_TICKS = "mt.leak_start 400m size=4m kind=mmap"
TICKS = dict(touch=0, min_available_percent=0)
SECOND = 100
LATE = 50  # some turns' worth of what is made up


def address_space(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def ticks_after(host, client, cause):
    """How many chunks the leak has made until it was stopped, since `cause` was called while the host could not run."""
    before = address_space(host.pid)
    equal(client.ask(LEAK_TICKS), "200 OK\n1")
    wait_for(lambda: client.call("mt.mem_used") > 10 * TICK_BYTES, "some ticks")
    host.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, host.pid, os.WSTOPPED)
    had = round((address_space(host.pid) - before) / TICK_BYTES)
    cause()
    host.process.send_signal(signal.SIGCONT)
    # The list does not look for STOP, as mt.status would.
    test = wait_for(lambda: [test for test in client.call("mt.mem_test_list") if test["state"] == "stopped"], "its end")[0]
    made = test["total_alloc"] // TICK_BYTES - had
    print(f"{made} ticks", flush=True)
    return made
