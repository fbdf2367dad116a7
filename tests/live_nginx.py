#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""nginx under the library: daemonised, its workers forked and with other rights, serving
throughout. Master and workers each answer on a socket of their own."""

import os
import pwd
import shutil
import socket
import subprocess
import time

from harness import (MIB, PATIENCE_S, Client, Place, Traffic, children, end_tree, equal, fact,
                     is_root, mtctl, near, nginx_user, pid_lives, resident, run_facts, value, wait_for)

CONFIG = """
daemon on;
pid {path}/nginx.pid;
error_log {path}/error.log;
worker_processes 2;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {path}/t1; proxy_temp_path {path}/t2; fastcgi_temp_path {path}/t3;
    uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
    server {{
        listen unix:{path}/http.sock;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""
BODY = "served " * 64
SLOPE_S = 70 if int(os.environ.get("MT_STORM", "1")) > 1 else 10
SAMPLE_S = 0.2


class Nginx:
    """A daemonised nginx with two workers, on a Unix socket."""

    def __init__(self, place, **settings):
        self.place, self.env = place, place.environment(**settings)
        self.config = os.path.join(place.path, "nginx.conf")
        self.socket = os.path.join(place.path, "http.sock")

    def __enter__(self):
        with open(self.config, "w") as file:
            file.write(CONFIG.format(path=self.place.path, user=nginx_user("www-data"), body=BODY))
        subprocess.run([shutil.which("nginx") or "/usr/sbin/nginx", "-c", self.config],
                       env=self.env, check=True, timeout=PATIENCE_S)
        with open(os.path.join(self.place.path, "nginx.pid")) as file:
            self.pid = int(file.read())
        wait_for(lambda: self.get() == BODY, "nginx to answer")
        self.workers = wait_for(lambda: len(children(self.pid)) == 2 and children(self.pid),
                                "two workers")
        self.controls = [self.place.wait_socket(pid) for pid in self.workers]
        self.control = self.place.wait_socket(self.pid)
        return self

    def __exit__(self, *_):
        end_tree(self.pid)

    def get(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE_S)
                s.connect(self.socket)
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                got = b""
                while piece := s.recv(65536):
                    got += piece
                return got.decode().partition("\r\n\r\n")[2]
        except OSError:
            return None

    def signal(self, word):
        subprocess.run([shutil.which("nginx") or "/usr/sbin/nginx", "-c", self.config, "-s", word],
                       env=self.env, check=True, timeout=PATIENCE_S)

    def quit(self):
        self.signal("quit")
        wait_for(lambda: not any(pid_lives(pid) for pid in [self.pid] + self.workers),
                 "nginx to end")

    def traffic(self):
        """Fetches the page; for Traffic."""
        def ask(_):
            got = self.get()
            return None if got == BODY else repr(got)
        return ask


@fact
def master_and_workers_answer_after_fork_and_setuid():
    with Place() as place, Nginx(place) as nginx:
        for pid, control in zip([nginx.pid] + nginx.workers, [nginx.control] + nginx.controls):
            info = value(control, "mt.info")
            equal((info["pid"], info["program"]), (pid, "nginx"))
        if is_root():
            wanted = pwd.getpwnam("www-data").pw_uid
            for control in nginx.controls:
                equal(value(control, "mt.info")["uid"], wanted)


@fact
def a_leak_in_one_worker_leaves_its_sibling_alone():
    with Place() as place, Nginx(place) as nginx, Traffic(nginx.traffic) as traffic:
        one, other = nginx.workers
        control = nginx.controls[0]
        mtctl(control, "mt.mem_used")
        before, sibling = resident(one), resident(other)
        mtctl(control, "mt.mem_alloc", "100", "m")
        near(resident(one) - before, 100 * MIB, MIB, "growth")
        near(resident(other), sibling, MIB, "sibling")
        equal(mtctl(control, "mt.mem_free"), f"{100 * MIB}\n")
        near(resident(one), before, MIB, "after mem_free")
        equal(traffic.wrong, [])
    assert traffic.count > 0


@fact
def every_example_of_the_specification_works_in_a_worker():
    with Place() as place, Nginx(place) as nginx, Traffic(nginx.traffic) as traffic:
        control = nginx.controls[1]
        equal(mtctl(control, "cfg.set_now_int", "malloc_test", "check_content", "1"), "")
        equal(mtctl(control, "mt.mem_alloc", "10", "k"), "")
        equal(mtctl(control, "mt.mem_used"), "10240\n")
        equal(mtctl(control, "mt.mem_free", "1", "m"), "0\n")
        equal(mtctl(control, "mt.mem_rnd_alloc", "1", "64", "10240", "k"), "")
        equal(mtctl(control, "mt.mem_used", "m"), "10\n")
        equal(mtctl(control, "mt.mem_test_start", "15", "64", "25000", "128", "1500", "3600000",
                    "k"), "1\n")
        equal(mtctl(control, "mt.mem_test_start", "1", "1", "10", "1", "1", "100"), "2\n")
        wait_for(lambda: value(control, "mt.mem_test_list", "2")[0]["remaining_s"] == 0 and
                 value(control, "mt.mem_test_list", "2")[0]["held"] == 0, "test 2 to end")
        wait_for(lambda: value(control, "mt.mem_test_list", "1")[0]["allocations"] > 0,
                 "test 1 to allocate")
        equal(mtctl(control, "mt.mem_test_stop", "1"), "")
        equal(mtctl(control, "mt.mem_test_destroy", "1"), "")
        equal([t["id"] for t in value(control, "mt.mem_test_list")], [2])
        equal(mtctl(control, "mt.mem_test_destroy_all"), "")
        equal(mtctl(control, "mt.mem_test_list"), "")
        equal(mtctl(control, "mt.mem_free"), "10485760\n")
        equal(value(control, "mt.status")["corruptions"], 0)
        equal(traffic.wrong, [])


def status_rss(pid):
    """As an alarm reads it."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


def sample(client, leak, beat, pid):
    """(seconds, beats, bytes held, resident bytes) and the leak's listing. What it holds is read before and after,
    and all once more if it has grown meanwhile: so they are of one moment, on any machine."""
    while True:
        before = client.call("mt.mem_test_list", leak)[0]
        now, rss = time.monotonic(), resident(pid)
        beats = client.call("mt.mem_test_list", beat)[0]["allocations"]
        after = client.call("mt.mem_test_list", leak)[0]
        if after["held"] == before["held"]:
            return (now, beats / 1000, after["held"], rss), after


def slope(x, y):
    """Least squares."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return (sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x))


def watch_leak(nginx):
    """Samples of a leak of 1 MiB a second in one worker, beside a test that makes one tiny allocation a
    millisecond. What holds on any machine is checked at each: what is held is resident, and the others are flat."""
    one, others = nginx.workers[0], nginx.workers[1:] + [nginx.pid]
    with Client(nginx.controls[0]) as client:
        beat = client.call("mt.mem_test_start", 1, 1, 100, 1, 1, "1h")
        # What a first leak brings along: an arena, and pages of the library that were not needed until then.
        first = client.call("mt.leak_start", rate="1m", size="16k", limit="128k")
        wait_for(lambda: sample(client, first, beat, one)[0][2] == 128 << 10, "a first leak")
        client.call("mt.mem_test_destroy", first)
        before, flat = resident(one), {pid: status_rss(pid) for pid in others}
        leak = client.call("mt.leak_start", rate="1m", size="16k")
        points, end = [], time.monotonic() + SLOPE_S
        while time.monotonic() < end or len(points) < 3:
            point, test = sample(client, leak, beat, one)
            points.append(point)
            equal(test["errors"], 0)
            near(point[3] - before, point[2], max(0.02 * point[2], 256 << 10), "resident of what is held")
            for pid, rss in flat.items():
                near(status_rss(pid), rss, 256 << 10, "a sibling")
            time.sleep(SAMPLE_S)
        client.call("mt.mem_test_destroy_all")
        near(resident(one), before, 512 << 10, "afterwards")
    return points


@fact
def a_leak_into_one_worker_has_its_slope_and_no_other_has():
    with Place() as place, Nginx(place) as nginx, Traffic(nginx.traffic) as traffic:
        seconds, beats, held, rss = zip(*watch_leak(nginx))
        beat, grown, seen = slope(seconds, beats), slope(seconds, held) / MIB, slope(seconds, rss) / MIB
        print(f"leak of 1 MiB/s for {SLOPE_S} s: held {grown:.4f}, VmRSS {seen:.4f} MiB/s", flush=True)
        # A stall of more than 100 ms is not caught up, by neither; so the beats are the clock that always fits.
        near(slope(beats, held) / MIB, 1, 0.02, "MiB a thousand beats")
        near(slope(beats, rss) / MIB, 1, 0.02, "MiB resident a thousand beats")
        if beat > 0.995:
            near(grown, 1, 0.02, "MiB/s")
            near(seen, 1, 0.02, "MiB/s of VmRSS")
        equal(traffic.wrong, [])


@fact
def quit_ends_it_and_leaves_no_name():
    with Place() as place, Nginx(place) as nginx:
        for control in nginx.controls:
            mtctl(control, "mt.mem_test_start", "1k", "1k", "1m", "1", "1", "1h")
        nginx.quit()
        equal(place.names(), [])


def new_workers(place, nginx, old):
    """The two workers that are not in `old`, once both have their sockets."""
    new = [pid for pid in children(nginx.pid)
           if pid not in old and os.path.exists(place.socket(pid))]
    return len(new) == 2 and new


@fact
def reload_brings_workers_that_answer():
    with Place() as place, Nginx(place) as nginx, Traffic(nginx.traffic) as traffic:
        old = nginx.workers
        nginx.signal("reload")
        nginx.workers = wait_for(lambda: new_workers(place, nginx, old), "new workers")
        with Client(place.socket(nginx.workers[0])) as client:
            client.call("mt.mem_alloc", "1m")
            equal(client.call("mt.mem_free"), MIB)
        wait_for(lambda: not any(pid_lives(pid) for pid in old), "the old workers to end")
        equal(traffic.wrong, [])
        nginx.quit()
        equal(place.names(), [])


run_facts()
