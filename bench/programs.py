# SPDX-License-Identifier: BSD-2-Clause
"""What real programs pay in processor time, user and system, their children included."""

import glob
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import threading

from common import (NONE, OWN, environment, put, record, rounds, spread, subjects,
                    table)
from harness import TOP, Place, Program, wait_for

HUNG_S = 180  # a peer under which a program never ends (heaptrack does so to forked shells)

SQL = """
create table t(id integer primary key, word text, n int);
with recursive i(x) as (select 1 union all select x + 1 from i where x < 200000)
  insert into t select x, printf('word %d', (x * 7919) % 100003), x % 977 from i;
create index by_word on t(word);
select n, count(*), max(word) from t group by n order by 2, 1 limit 5;
select count(*) from t a join t b on a.word = b.word where a.n < 100;
update t set word = word || ' and more' where n % 3 = 0;
select sum(length(word)) from t;
"""
PERL = """
my (%seen, @list);
for my $i (1 .. 400000) {
    my $word = "word" . ($i * 7919 % 100003);
    $seen{$word} .= "$i,";
    push @list, [split /,/, $seen{$word}] if $i % 4 == 0;
}
print scalar(keys %seen), " ", scalar(@list), "\\n";
"""
PYTHON = """
import json
rows = [{"id": i, "name": "name %d" % i, "tags": [str(j) for j in range(i % 9)]}
        for i in range(60000)]
for _ in range(3):
    rows = json.loads(json.dumps(rows))
by_name = {row["name"]: row for row in sorted(rows, key=lambda row: row["name"][::-1])}
print(len(by_name), sum(len(row["tags"]) for row in rows))
"""
BASH = "for ((i = 0; i < 1000; i++)); do (:); done; echo $i"


class Broken(Exception):
    """The program did not do its work. Says how."""


class Limit:
    """Ends a program that leads a session, and its children, when it takes too long."""

    def __init__(self, process):
        self.pid, self.over = process.pid, False
        self.timer = threading.Timer(HUNG_S, self.end)

    def end(self):
        self.over = True
        os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()


def end_of(process):
    """Waits for it; its processor time in seconds."""
    with Limit(process) as limit:
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if limit.over:
        raise Broken(f"it has not ended after {HUNG_S} s")
    if process.returncode:
        raise Broken(f"exit status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def time_of(argv, place, env, text=""):
    """Processor seconds, and what it printed."""
    paths = [os.path.join(place.path, name) for name in ("stdin", "stdout", "stderr")]
    with open(paths[0], "w") as file:
        file.write(text)
    with open(paths[0]) as given, open(paths[1], "wb") as out, open(paths[2], "wb") as errors:
        process = subprocess.Popen(argv, cwd=place.path, env=env, stdin=given, stdout=out,
                                   stderr=errors, start_new_session=True)
        try:
            seconds = end_of(process)
        except Broken as reason:
            with open(paths[2], errors="replace") as said:
                raise Broken(f"{reason} {said.read()[-200:]}".strip()) from None
    with open(paths[1], "rb") as out:
        return seconds, hashlib.sha256(out.read()).hexdigest()


def gcc(place, env):
    sources = sorted(glob.glob(os.path.join(TOP, "src", "control", "wire_*.c")))
    return time_of(["gcc", "-O2", "-D_GNU_SOURCE", "-I", os.path.join(TOP, "src"), "-I", TOP, "-c",
                    *sources], place, env)


def git(place, env):
    return time_of(["git", "-C", TOP, "log", "-p", "--stat", "HEAD"], place, env)


def sqlite3(place, env):
    return time_of(["sqlite3", "-batch", ":memory:"], place, env, SQL)


def perl(place, env):
    return time_of(["perl", "-e", PERL], place, env)


def python3(place, env):
    return time_of(["/usr/bin/python3", "-S", "-E", "-c", PYTHON], place,
                   {**env, "PYTHONHASHSEED": "0"})


def bash(place, env):
    return time_of(["bash", "-c", BASH], place, env)


def redis(place, env):
    """The server's time for a fixed number of requests, its start and end included."""
    path = os.path.join(place.path, "redis.sock")
    argv = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
            "--dir", place.path, "--logfile", os.path.join(place.path, "redis.log")]
    with Program(argv, env=env, start_new_session=True) as server:
        with Limit(server):  # killed, it fails below
            wait_for(lambda: is_answered(path) or server.process.poll() is not None, "redis")
            load = subprocess.run(
                ["redis-benchmark", "-s", path, "-n", "200000", "-c", "20", "-P", "16",
                 "-r", "100000", "-d", "100", "-t", "set,get,lpush,hset", "-q"],
                env=environment({}), capture_output=True, text=True)
        if load.returncode or load.stdout.count("requests per second") < 4:
            raise Broken(f"the load ended with {load.returncode} {load.stdout} {load.stderr}")
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(path)
            control.sendall(b"SHUTDOWN NOSAVE\r\n")
        return end_of(server.process), ""


def is_answered(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            client.sendall(b"PING\r\n")
            return client.recv(64) == b"+PONG\r\n"
        except OSError:
            return False


PROGRAMS = {"gcc -O2": gcc, "git log -p": git, "sqlite3": sqlite3, "perl": perl,
            "python3": python3, "redis": redis, "bash, 1000 forks": bash}
# The short ones several times, so that each sample is about half a second.
TIMES = {"gcc -O2": 2, "git log -p": 10}


def possible(name):
    """Without a repository there is no log; without the program nothing to measure."""
    if not shutil.which(name.split(",")[0].split()[0].replace("redis", "redis-server")):
        return False
    return name != "git log -p" or os.path.exists(os.path.join(TOP, ".git"))


def measure(program, added):
    """Samples of each subject, and what broke under whom."""
    samples, broken, printed = {name: [] for name in added}, {}, None
    for name in [NONE, *rounds(added)]:  # the first one warms caches up
        if name in broken:
            continue
        with Place() as place:
            setting = subjects(place)[name]
            try:
                total = 0.0
                for _ in range(TIMES.get(program, 1)):
                    seconds, output = PROGRAMS[program](place, environment(setting))
                    printed = printed or output
                    if output != printed:
                        raise Broken("it printed something else")
                    total += seconds
                samples[name].append(total)
            except (Broken, AssertionError) as reason:  # the latter from waiting in vain
                if name in OWN:
                    raise
                broken[name] = str(reason)
    samples[NONE].pop(0)
    return {name: spread(taken) for name, taken in samples.items() if name not in broken}, broken


def cell(result, broken, name):
    if name in broken:
        return "breaks"
    ratio = result[name]["median"] / result[NONE]["median"]
    return f"{ratio:.3f} ({result[name]['quartiles_percent']:.1f} %)"


def run():
    with Place() as place:
        names = list(subjects(place))
    seconds, broken = {}, {}
    for program in filter(possible, PROGRAMS):
        seconds[program], broken[program] = measure(program, names)
    record("programs", {"seconds": seconds, "broken": broken})
    rows = [[program, f"{1000 * result[NONE]['median']:.0f} ms "
                      f"({result[NONE]['quartiles_percent']:.1f} %)"] +
            [cell(result, broken[program], name) for name in names if name != NONE]
            for program, result in seconds.items()]
    put("programs", table(["", *names], rows))
