#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Databases and brokers: what was stored is there again after a crash of a child and after a
restart."""

import contextlib
import glob
import os
import signal
import socket
import subprocess

from harness import PATIENCE_S, Program, Traffic, children, run_facts, wait_for
from servers import (crash, let_drop_late, log_of, own_directory, owner, program_of, rights,
                     served, server, tool, wait_gone, wait_pruned, write)
from matrix import program

POSTGRES = next(iter(sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)), "")
# Someone asked while it started or recovered, or was still leaving when it was stopped: more often
# on a slow machine.
HASTE = ("the database system is (starting|not yet|in recovery)|Consistent recovery state|"
         "due to administrator command|Broken pipe")
UNSTEADY = [(r"\[\d+\]", "[N]"), (r"\b0/[0-9A-F]+", "LSN"), (r"system usage: .*", "system usage")]



class Session:
    """A client of which statements are asked one after another through its standard input. `end` is
    the statement that makes it print END."""

    def __init__(self, argv, end, **options):
        self.program, self.end = Program(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, **options), end

    def __enter__(self):
        self.process, self.pid = self.program.__enter__().process, self.program.pid
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)

    def ask(self, statements):
        self.process.stdin.write(f"{statements}\n{self.end}\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) not in ("END\n", ""):
            lines.append(line)
        assert line, f"ended: {lines}"
        return "".join(lines)

    def quit(self, statements=""):
        """The rest that it prints, and its status."""
        out, _ = self.process.communicate(statements, timeout=PATIENCE_S)
        return out, self.process.returncode


TABLES = """create table part (id serial primary key, name text not null, price numeric(8,2));
insert into part (name, price) select 'part ' || n, n * 1.25 from generate_series(1, 20000) n;
create index on part (name);
select count(*), sum(price), min(name), max(name) from part;"""
TRANSACTIONS = """begin; update part set price = 0; select sum(price) from part; rollback;
begin; delete from part where id % 2 = 0; commit;
select count(*), sum(price) from part;
select name from part where name like 'part 199_1' order by 1;
insert into part values (1, 'twice', 1);
select * from absent;
with recursive t(n) as (select 1 union all select n + 1 from t where n < 100000)
  select sum(n) from t;
select md5(string_agg(name, ',' order by md5(name))) from part;"""
UNSAVED = "begin; insert into part (name) values ('unsaved');"
READ = "select count(*), sum(price), md5(string_agg(name, ',' order by id)) from part;"


class Postgres:
    def __init__(self, run):
        self.run, self.data = run, os.path.join(run.path, "pg", "data")
        self.home = own_directory(os.path.join(run.path, "pg"), "postgres")
        self.as_user = {"env": run.env(), "cwd": self.home} | rights("postgres")

    def tool(self, name, *argv):
        return tool(self.run, os.path.join(POSTGRES, name), *argv, **self.as_user)

    def psql(self):
        return Session([os.path.join(POSTGRES, "psql"), "-X", "-h", self.home, "postgres"],
                       "\\echo END", **self.as_user)

    @contextlib.contextmanager
    def server(self, log):
        argv = [os.path.join(POSTGRES, "postgres"), "-D", self.data, "-k", self.home,
                "-c", "listen_addresses=", "-c", "log_checkpoints=off"]
        with Program(argv, stdout=log, stderr=log, **self.as_user) as main:
            try:
                yield main
            finally:
                if main.process.poll() is None:  # killed it would leave its shared memory
                    main.stop(signal.SIGQUIT)

    def is_ready(self):
        return self.tool("pg_isready", "-h", self.home)[0] == 0

    def pgbench(self):
        """Some clients at once. Without the lines that measure."""
        status, out, err = self.tool("pgbench", "-h", self.home, "-n", "-c", "3", "-j", "2",
                                     "-t", "50", "postgres")
        return status, [line for line in out.splitlines() if not line.startswith(
            ("latency", "initial", "tps"))], err

    def stop(self):
        status, out, err = self.tool("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
        return status, out.replace(".", ""), err


def pid_asked(psql):
    """The process that serves this session."""
    return int(psql.ask("select pg_backend_pid() as pid \\gset\n\\echo :pid"))


@server("PostgreSQL", f"{POSTGRES}/postgres --version")
def postgres_keeps_what_was_committed(run):
    postgres = Postgres(run)
    seen = [postgres.tool("initdb", "-D", postgres.data, "-A", "trust", "--no-sync",
                          "--locale=C.UTF-8")]
    path = os.path.join(run.path, "log")
    with open(path, "w") as log:
        with postgres.server(log) as main:
            wait_for(postgres.is_ready, "postgres to answer")
            with postgres.psql() as psql, postgres.psql() as other:
                backend, bystander = pid_asked(psql), pid_asked(other)
                seen += [psql.ask(TABLES), psql.ask(UNSAVED)]
                for pid in [main.pid, backend, bystander, psql.pid]:
                    run.drill(pid)
                seen += [psql.ask("rollback;"), psql.ask(TRANSACTIONS)]
                seen += [postgres.tool("pgbench", "-h", postgres.home, "-i", "-q", "postgres")[0],
                         postgres.pgbench()]
                siblings = children(main.pid)
                crash(run, backend)
                wait_gone(*siblings)
                seen += [psql.quit("select 1;\n"), other.quit("select 2;\n")]
            wait_for(postgres.is_ready, "postgres to recover")
            wait_pruned(run, backend)
            with postgres.psql() as psql:
                seen += [psql.ask(READ)]
                run.drill(pid_asked(psql))
                seen += [psql.ask(READ), psql.quit("\\q\n")]
            seen += [postgres.pgbench(), postgres.stop(), main.process.wait(timeout=PATIENCE_S)]
        with postgres.server(log) as main:
            wait_for(postgres.is_ready, "postgres to answer again")
            with postgres.psql() as psql:
                seen += [psql.ask(READ), psql.quit("\\q\n")]
            seen += [main.stop(signal.SIGINT)]
    return seen + [log_of(run, path, *UNSTEADY, but=HASTE)]


class Memcached:
    """A connection that stores and fetches, in memcached's own text protocol."""

    def __init__(self, path):
        self.path = path

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE_S)
        s.connect(self.path)
        return s

    def answers(self):
        try:
            with self.connect() as s:
                s.sendall(b"version\r\n")
                return s.recv(64).startswith(b"VERSION")
        except OSError:
            return False

    def say(self, text):
        """What it answers. The last request is one for nothing, answered by MN."""
        with self.connect() as s, s.makefile("rb") as file:
            s.sendall((text + "mn\n").replace("\n", "\r\n").encode())
            lines = []
            while (line := file.readline().decode()) != "MN\r\n":
                assert line, f"closed after {lines}"
                lines.append(line)
            return lines

    def traffic(self):
        connection = self.connect()
        file = connection.makefile("rwb")

        def ask(count):
            value = b"x" * (count % 5000)
            file.write(b"set k%d 0 0 %d\r\n%s\r\nget k%d\r\n" % (count % 50, len(value), value,
                                                                count % 50))
            file.flush()
            got = [file.readline() for _ in range(4)]
            return got if (got[0], got[2], got[3]) != (b"STORED\r\n", value + b"\r\n",
                                                       b"END\r\n") else None
        return ask


STORE = "".join(f"set key{n} {n} 0 {n * 100}\n{'v' * n * 100}\n" for n in range(1, 20)) + \
    "add key1 0 0 1\nx\nappend key2 0 0 3\nend\nset count 0 0 2\n41\nincr count 1\n" + \
    "gets absent\n" + \
    "delete key3\nverbosity x\nset long 0 0 2000000\n" + "v" * 2000000 + "\nnonsense\n" + \
    "".join(f"get key{n}\n" for n in range(1, 20))


@server("memcached", "memcached --version")
def memcached_keeps_values(run):
    let_drop_late(run)
    home = own_directory(os.path.join(run.path, "cache"), "memcache")
    cache = Memcached(os.path.join(home, "sock"))
    user = ["-u", "memcache"] if os.getuid() == 0 else []
    with Program([program_of("memcached"), *user, "-s", cache.path, "-m", "16", "-t", "2"],
                 env=run.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                 text=True) as main:
        wait_for(cache.answers, "memcached to answer")
        seen = [cache.say(STORE)]
        with Traffic(cache.traffic) as traffic:
            run.drill(main.pid)
            seen += [served(traffic)]
        seen += [cache.say("get key19 count key3\n"), owner(main.pid)]
        settings = tool(run, "/usr/share/memcached/scripts/memcached-tool", cache.path, "settings")
        seen += [settings, main.stop(), main.process.stdout.read()]
    return seen


REDIS_WORDS = [
    ["set", "count", "41"], ["incr", "count"], ["debug", "populate", "5000", "key", "300"],
    ["eval", "for i=1,1000 do redis.call('zadd','scores',i,'m'..i) end return 'done'", "0"],
    ["zrange", "scores", "10", "15", "withscores"], ["lpush", "list", "a", "b", "c"],
    ["eval", "for i=1,500 do redis.call('hset','h','f'..i,string.rep('x',i)) end return 1", "0"],
    ["sort", "list", "alpha"], ["incr", "list"], ["dbsize"], ["xadd", "stream", "1-1", "f", "v"],
    ["config", "set", "nonsense", "1"], ["get", "count"], ["debug", "digest"],
]


class Redis:
    def __init__(self, run):
        self.run, self.socket = run, os.path.join(run.path, "redis.sock")

    def server(self):
        return Program([program_of("redis-server"), "--port", "0", "--unixsocket", self.socket,
                        "--dir", self.run.path, "--save", "", "--enable-debug-command", "yes",
                        "--logfile", os.path.join(self.run.path, "log")], env=self.run.env())

    def cli(self, *words):
        return tool(self.run, "redis-cli", "-s", self.socket, *words)

    def wait_started(self):
        wait_for(lambda: self.cli("ping")[1] == "PONG\n", "redis to answer")

    def is_saving(self):
        return "rdb_bgsave_in_progress:1" in self.cli("info", "persistence")[1]

    def wait_saved(self):
        wait_for(lambda: not self.is_saving(), "the save")

    def status(self):
        found = self.cli("info", "persistence")[1].partition("rdb_last_bgsave_status:")[2]
        return found.split()[0]


@server("Redis", "redis-server --version")
def redis_saves_and_loads(run):
    redis, cli = Redis(run), Redis(run).cli
    with redis.server() as main:
        redis.wait_started()
        seen = [cli(*words) for words in REDIS_WORDS]
        # So slow that it is still there. It is ended as redis itself does, another as memory ends.
        seen += [cli("config", "set", "rdb-key-save-delay", "5000000"), cli("bgsave")]
        child, = wait_for(lambda: children(main.pid), "the child that saves")
        run.drill(child)
        run.drill(main.pid)
        os.kill(child, signal.SIGUSR1)
        redis.wait_saved()
        seen += [redis.status(), cli("bgsave")]
        child, = wait_for(lambda: children(main.pid), "another child that saves")
        crash(run, child)
        redis.wait_saved()
        seen += [redis.status(), cli("config", "set", "rdb-key-save-delay", "0"), cli("bgsave")]
        redis.wait_saved()
        seen += [redis.status(), cli("set", "unsaved", "1"), cli("shutdown", "nosave"),
                 main.process.wait(timeout=PATIENCE_S)]
    with redis.server() as main:
        redis.wait_started()
        seen += [cli("dbsize"), cli("get", "count"), cli("get", "unsaved"), cli("debug", "digest")]
        run.drill(main.pid)
        seen += [cli("debug", "digest"), main.stop(), sorted(os.listdir(run.path))]
    return seen + [log_of(run, os.path.join(run.path, "log"),
                          (r"\b[\d.]+ (MB|Mb|seconds)", r"N \1"), (r"pid=\d+", "pid=N"),
                          (r"^\d+:signal-handler \(\d+\)", "N"), but="in child, exiting")]


MOSQUITTO = """
listener 0 {path}/mqtt.sock
allow_anonymous true
persistence true
max_queued_messages 0
persistence_location {path}/
log_dest file {path}/log
log_type all
log_timestamp false
{user}
"""


@server("Mosquitto", "mosquitto -h")
def mosquitto_delivers(run):
    let_drop_late(run)
    home = own_directory(os.path.join(run.path, "broker"), "mosquitto")
    config = write(os.path.join(home, "mosquitto.conf"), MOSQUITTO.format(
        path=home, user="user mosquitto" if os.getuid() == 0 else ""))
    log, sock = os.path.join(home, "log"), os.path.join(home, "mqtt.sock")
    argv = [program_of("mosquitto"), "-c", config]

    def pub(*words, **options):
        return tool(run, "mosquitto_pub", "--unix", sock, *words, **options)

    def sub(*words):
        return ["mosquitto_sub", "--unix", sock, "-v", *words]

    def logged(text):
        with open(log, errors="replace") as file:
            return text in file.read()

    def started():
        return os.path.exists(sock) and pub("-t", "up", "-n")[0] == 0

    seen = []
    with Program(argv, env=run.env()) as main:
        wait_for(started, "mosquitto to answer")
        lines = "".join(f"message {n} {'x' * (n % 700)}\n" for n in range(2000))
        with Program(sub("-i", "reader", "-q", "1", "-t", "a/#", "-C", "2001"), env=run.env(),
                     stdout=subprocess.PIPE, text=True) as reader:
            wait_for(lambda: logged("Sending SUBACK to reader"), "the subscription")
            seen += [pub("-q", "1", "-t", "a/one", "-m", "first")]
            run.drill(main.pid)
            run.drill(reader.pid)
            with open(write(os.path.join(run.path, "lines"), lines)) as file:
                seen += [pub("-q", "1", "-t", "a/lines", "-l", stdin=file)]
            got, _ = reader.process.communicate(timeout=PATIENCE_S)
            wanted = "a/one first\n" + "".join(f"a/lines {line}\n" for line in lines.splitlines())
            seen += [got == wanted or got, reader.process.returncode]
        # A subscriber that is away, a retained message, one that is kept over the restart.
        seen += [tool(run, *sub("-i", "away", "-c", "-q", "1", "-t", "b", "-E")),
                 pub("-q", "1", "-t", "b", "-m", "for one who is away"),
                 pub("-q", "1", "-t", "c", "-r", "-m", "retained")]
        main.process.send_signal(signal.SIGHUP)
        wait_for(lambda: logged("Reloading config"), "the reload")
        seen += [owner(main.pid), main.stop()]
    with Program(argv, env=run.env()) as main:
        wait_for(started, "mosquitto to answer again")
        seen += [tool(run, *sub("-i", "away", "-c", "-q", "1", "-t", "b", "-C", "1")),
                 tool(run, *sub("-t", "c", "-C", "1")), main.stop()]
    # How a client left depends on who was faster: it also "closed its connection", or is even
    # "disconnected due to out of memory".
    return seen + [sorted(os.listdir(home)),
                   log_of(run, log, but=r"PUB(LISH|ACK)|auto-|Client \w+ (closed|disconnected)")]


SQL = """create table t(id integer primary key, name text, price real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
  insert into t select i, 'name ' || (i * 7919 % 20011), i * 0.25 from n;
create index by_name on t(name);
select count(*), sum(price), min(name), max(name) from t;
"""
MORE = """begin; delete from t where id % 3 = 0; select count(*) from t; rollback;
select name from t where name glob 'name 12?4' order by name;
insert into t values (1, 'twice', 0);
select nothing from nowhere;
update t set name = name || hex(zeroblob(100)) where id < 5000;
select group_concat(name, ';') from (select name from t order by name limit 3 offset 100);
pragma integrity_check;
.schema
"""


@program("SQLite", "sqlite3 --version")
def sqlite_obeys_statements(run):
    path = os.path.join(run.path, "file.db")
    with Session(["sqlite3", path], ".print END", env=run.env(), cwd=run.path) as sqlite:
        seen = [sqlite.ask(SQL), sqlite.ask("begin;\ninsert into t(name) values ('kept');")]
        run.drill(sqlite.pid)
        seen += [sqlite.ask("commit;\n" + MORE), sqlite.quit(".dump absent\nselect 1;\n")]
    seen += [tool(run, "sqlite3", path, "select count(*), sum(length(name)) from t"),
             tool(run, "sqlite3", path, "vacuum; pragma integrity_check; nonsense")]
    with open(path, "rb") as file:
        seen += [len(file.read())]
    return seen + [sorted(os.listdir(run.path))]


run_facts()
