#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How mtctl chooses among instances, by process, name and role, and what it says of sockets that are
not what they seem. With nothing but the test's own instances on the machine, as far as the system
lets us."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

from ctl import (HEADER, ISOLATED, NOBODY, PYTHON, SLEEP, Family, Server, alone, as_root, clean, each_says, freeze, here,
                 host, isolate, name_of, path_of, result_of, run, says)
from harness import (LIB, MTCTL, PATIENCE_S, Place, Program, by_root, children, equal, fact, nginx_user, run_facts,
                     wait_for)

isolate()

NONE = "mtctl: no instance is running (start one: mtctl run -- PROGRAM [ARG]...)\n"


# Choosing.

@alone
def without_any_instance_it_says_how_to_start_one():
    says(run("mt.mem_used"), 3, "", NONE)
    says(run("--all", "mt.mem_used"), 3, "", NONE)
    says(run("-", stdin="mt.mem_used\n"), 3, "", NONE)
    says(run("-j", "mt.mem_used"), 3, '{"error":{"code":3,"message":"no instance is running '
         '(start one: mtctl run -- PROGRAM [ARG]...)"}}\n')


@alone
def the_only_instance_needs_no_name():
    with Place() as place, host(place) as program:
        path_of(place, program)
        says(run("mt.mem_used", env=here(place)), 0, "0\n")


@alone
def several_instances_are_listed_and_none_is_taken():
    with Place() as place, host(place) as one, host(place, PYTHON) as two:
        path_of(place, one), path_of(place, two)
        names = ", ".join(f"{p.pid} {name_of(p)}" for p in sorted((one, two), key=lambda p: p.pid))
        says(run("mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are running: {names} (choose with -p PID or -n NAME, or --all for "
             "each)\n")


@fact
def pid_chooses():
    with Place() as place, host(place) as one, host(place) as two:
        path_of(place, one), path_of(place, two)
        says(run("-p", str(one.pid), "mt.mem_alloc", "5", env=here(place)), 0)
        says(run("-p", str(one.pid), "mt.mem_used", env=here(place)), 0, "5\n")
        says(run("-p", str(two.pid), "mt.mem_used", env=here(place)), 0, "0\n")


@fact
def pid_without_the_library_is_told_so():
    with Program(SLEEP, env=clean()) as plain:
        wait_for(lambda: name_of(plain) == "sleep", "exec")
        says(run("-p", str(plain.pid), "mt.mem_used"), 3, "",
             f"mtctl: process {plain.pid} (sleep) runs without the library (start it with mtctl run -- "
             "PROGRAM)\n")
    says(run("-p", str(plain.pid), "mt.mem_used"), 3, "", f"mtctl: there is no process {plain.pid}\n")


@fact
def pid_with_the_library_but_no_socket_is_told_so():
    with Place() as place, host(place, socket="/nonexistent/x") as program:
        library = os.path.basename(LIB)
        wait_for(lambda: library in open(f"/proc/{program.pid}/maps").read(), "the library")
        says(run("-p", str(program.pid), "mt.mem_used"), 3, "",
             f"mtctl: process {program.pid} (sleep) has the library but no socket (it appears 50 ms "
             "after the start, where a directory for it can be written)\n")


@fact
def name_chooses_by_comm_or_program():
    with Place() as place, host(place) as one, host(place, PYTHON) as two:
        path_of(place, one), path_of(place, two)
        pid = re.compile(r"(?m)^\tpid +: (\d+)$")
        program = os.path.basename(os.path.realpath(sys.executable))
        for name, wanted in (("sleep", one), (name_of(two), two), (program, two), ("sl*p", one),
                             ("py*", two)):
            done = run("-n", name, "mt.info", env=here(place))
            equal((done.status, done.err), (0, ""))
            equal(int(pid.search(done.out).group(1)), wanted.pid, name)


@fact
def name_that_is_nobody_s_names_the_nearest():
    with Place() as place, host(place) as program:
        path_of(place, program)
        says(run("-n", "slepp", "mt.info", env=here(place)), 3, "",
             "mtctl: no instance is called slepp, did you mean sleep?\n")
        says(run("-n", "qqqqqq", "mt.info", env=here(place)), 3, "",
             "mtctl: no instance is called qqqqqq (mtctl ls shows all)\n")


@fact
def name_of_any_bytes_is_found_or_is_told_as_one_line():
    for name in (b"a\nb", b"\n", b"a\xffb", b"\xc2\x9b1m", b"a\tb\x7f", b" "):
        with Place() as place:
            program = os.path.join(place.path.encode(), name)
            shutil.copy(shutil.which("sleep"), program)
            with host(place, (program, "1000")) as one:
                path_of(place, one)
                says(run("-n", name, "mt.mem_used", env=here(place)), 0, "0\n")
                for other in (name + b"\n", name + b"\xff", name + b"\x85"):
                    done = run("-n", other, "mt.mem_used", env=here(place))
                    equal((done.status, done.out, done.err.count("\n")), (3, "", 1), done.err)
                    asked, _, meant = done.err.partition(", did you mean ")
                    assert asked != f"mtctl: no instance is called {meant[:-2]}", done.err


@fact
def name_of_several_lists_them_and_all_takes_them():
    with Place() as place, host(place) as a, host(place) as b, host(place, PYTHON) as other:
        path_of(place, a), path_of(place, b), path_of(place, other)
        one, two = sorted((a.pid, b.pid))
        says(run("-n", "sleep", "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are called sleep: {one} sleep, {two} sleep (choose with -p PID, or "
             "--all for each)\n")
        answers = [f"# {pid} sleep\n0\n" for pid in (one, two)]
        each_says(run("-n", "sleep", "--all", "mt.mem_used", env=here(place)), answers)
        each_says(run("-n", "sleep", "--all", "-", stdin="mt.mem_used\n" * 2, env=here(place)), answers * 2)


@fact
def exact_name_goes_before_pattern():
    with Place() as place:
        star = os.path.join(place.path, "s*")
        shutil.copy(shutil.which("sleep"), star)
        with host(place) as one, host(place, (star, "1000")) as two:
            path_of(place, one), path_of(place, two)
            done = run("-n", "s*", "-j", "mt.info", env=here(place))
            equal(json.loads(done.out)["pid"], two.pid)


@fact
def role_is_a_word_of_the_title():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Place() as place, Family(place, "d: master process", "d: worker process",
                                  "d: cache-loader process") as family:
        one, two = family.workers
        for role, wanted in (("master", [family.master]), ("worker", [one]), ("cache-loader", [two]),
                             ("process", [family.master, one, two]), ("process:2", [one]),
                             (":3", [two]), ("", [family.master, one, two]), ("worker:", [one]),
                             ("child", [one, two]), ("parent", [family.master])):
            equal(family.chosen(f"{python}:{role}"), wanted, role)
        equal(family.chosen("py*:cache-loader:1"), [two])
        equal(family.chosen(":cache-loader"), [two])


NGINX = """
daemon off;
pid {path}/nginx.pid;
error_log {path}/error.log;
worker_processes 2;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {path}/t1; proxy_temp_path {path}/t2; fastcgi_temp_path {path}/t3;
    uwsgi_temp_path {path}/t4; scgi_temp_path {path}/t5;
    server {{ listen unix:{path}/http.sock; }}
}}
"""


@alone
def nginx_is_chosen_by_name_and_role():
    with Place() as place:
        config = os.path.join(place.path, "nginx.conf")
        with open(config, "w") as file:
            file.write(NGINX.format(path=place.path, user=nginx_user("nobody nogroup")))
        with host(place, (shutil.which("nginx") or "/usr/sbin/nginx", "-c", config)) as nginx:
            workers = sorted(wait_for(lambda: len(children(nginx.pid)) == 2 and children(nginx.pid), "workers"))
            for pid in (nginx.pid, *workers):
                place.wait_socket(pid)
            for pid in workers:
                wait_for(lambda: b"worker process" in open(f"/proc/{pid}/cmdline", "rb").read(), "the title")
            each_says(run("-n", "nginx", "--all", "mt.mem_used", env=here(place)),
                      [f"# {pid} nginx\n0\n" for pid in (nginx.pid, *workers)])
            for name, pid in (("nginx:worker:1", workers[0]), ("nginx:worker:2", workers[1]),
                              ("nginx:master", nginx.pid)):
                says(run("-n", name, "mt.mem_alloc", "1", "k", env=here(place)), 0)
                says(run("-p", str(pid), "mt.mem_free", env=here(place)), 0, "1024\n")
            equal(nginx.stop(signal.SIGQUIT), 0)
        equal(place.names(), [])


@fact
def role_is_who_started_whom_where_titles_do_not_tell():
    python = os.path.basename(os.path.realpath(sys.executable))
    for titles in ((), ("app worker",) * 3):
        with Place() as place, Family(place, *titles) as family, host(place) as other:
            path_of(place, other)
            for role, wanted in (("master", [family.master]), ("parent", [family.master]),
                                 ("worker", family.workers), ("child", family.workers),
                                 ("worker:2", family.workers[1:]), ("child:1", family.workers[:1])):
                equal(family.chosen(f"{python}:{role}"), wanted, role)
            equal(family.chosen("sleep:master"), [other.pid])


@fact
def role_that_nobody_has_lists_who_there_is():
    with Place() as place, host(place) as program:
        path_of(place, program)
        for name, status, text in (
                ("sleep:worker", 3, "no instance of -n sleep:worker is a 'worker': "
                 f"{program.pid} sleep 1000 (a word of these, or master, worker)"),
                ("sleep::2", 3, f"-n sleep::2: there is only 1: {program.pid} sleep 1000"),
                ("slepp:worker", 3, "no instance is called slepp, did you mean sleep?"),
                ("sleep:master:0", 2, "-n 'sleep:master:0': the index is a number, from 1 "
                 "(NAME:ROLE:INDEX, as in nginx:worker:1)"),
                ("sleep:master:1x", 2, "-n 'sleep:master:1x': the index is a number, from 1 "
                 "(NAME:ROLE:INDEX, as in nginx:worker:1)")):
            says(run("-n", name, "mt.info", env=here(place)), status, "", f"mtctl: {text}\n")


@fact
def several_of_a_role_are_listed_and_all_takes_them():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Place() as place, Family(place) as family:
        one, two = family.workers
        name = f"{python}:worker"
        says(run("-n", name, "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: 2 instances are called {name}: {one} {name_of(family.program)}, {two} "
             f"{name_of(family.program)} (choose with -p PID, or --all for each)\n")
        equal(run("-n", name, "--all", "mt.mem_used", env=here(place)).out.count("\n0\n"), 2)
        equal(run("ls", "-n", f"{name}:2", env=here(place)).out.count("\n"), 2)


@fact
def a_name_with_a_colon_goes_before_a_role():
    with Place() as place:
        path = shutil.copy(shutil.which("sleep"), os.path.join(place.path, "a:b"))
        with host(place, (path, "1000")) as program:
            path_of(place, program)
            says(run("-n", "a:b", "mt.mem_used", env=here(place)), 0, "0\n")


@alone
def all_gives_the_worst_status_and_each_answer():
    with Place() as place, host(place) as a, host(place) as b:
        path_of(place, a), path_of(place, b)
        run("-p", str(a.pid), "mt.mem_test_start", "1", "1", "1", "1h", "1h", "1h", env=here(place))
        done = run("--all", "-j", "mt.mem_test_stop", "1", env=here(place))
        fault = {"code": 400, "message": "test 1 not found (mt.mem_test_list shows all)"}
        lines = {a.pid: {"pid": a.pid, "name": "sleep", "result": None},
                 b.pid: {"pid": b.pid, "name": "sleep", "error": fault}}
        equal((done.status, done.err), (1, ""))
        said = [json.loads(line) for line in done.out.splitlines()]
        equal(({line["pid"]: line for line in said}, len(said)), (lines, 2))
        freeze(b)

        def both_are_told():
            done = run("--all", "-t", "0.2", "mt.mem_used", env=here(place))
            equal(done.status, 4)
            assert f"# {b.pid} sleep\n" in done.out, done.out
            return f"# {a.pid} sleep\n0\n" in done.out

        wait_for(both_are_told, "the other to answer in that time, as it does on any quiet moment")


# Sockets that are not what they seem.

@fact
def a_dead_socket_is_unreachable():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        program.process.kill()
        program.process.wait()
        says(run("-s", path, "mt.mem_used"), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")
        says(run("-p", str(program.pid), "mt.mem_used", env=here(place)), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")


@fact
def a_path_without_a_socket_is_unreachable():
    says(run("-s", "/nonexistent/x", "mt.mem_used"), 3, "",
         "mtctl: cannot connect to /nonexistent/x: No such file or directory\n")
    with Place() as place:
        path = os.path.join(place.path, "file")
        open(path, "w").close()
        says(run("-s", path, "mt.mem_used"), 3, "",
             f"mtctl: nobody listens on {path}: its process has ended, or it is no socket (mtctl ls "
             "shows the live ones)\n")
    long = "/tmp/" + "x" * 200
    says(run("-s", long, "mt.mem_used"), 3, "", f"mtctl: cannot connect to {long}: No such file or "
                                                "directory\n")


@fact
def a_foreign_socket_is_refused_unless_named():
    with Place() as place, Program(SLEEP, env=clean()) as plain:
        path = place.socket(plain.pid)
        with Server(result_of("7"), path=path):
            says(run("-p", str(plain.pid), "mt.mem_used", env=here(place)), 3, "",
                 f"mtctl: a foreign socket: process {os.getpid()} listens on {path}, not the process "
                 "that its name says (-s SOCKET takes it all the same)\n")
            if ISOLATED in os.environ:
                done = run("mt.mem_used", env=here(place))
                equal((done.status, done.out), (3, ""))
                assert "a foreign socket" in done.err, done.err
                says(run("ls", env=here(place)), 0, HEADER)
            says(run("-s", path, "mt.mem_used"), 0, "7\n")


@by_root
def another_user_s_instance_needs_permission():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        tool = shutil.copy(MTCTL, place.path)
        nobody = dict(user=65534, group=65534, extra_groups=[], binary=tool)
        says(run("-s", path, "mt.mem_used", **nobody), 3, "",
             f"mtctl: no permission for {path} (run mtctl as the user of the process, or as root)\n")
        for words in (["-p", str(program.pid)], ["-n", "sleep"], ["-n", "sleep", "--all"], ["-n", "sleep:master"], []):
            says(run(*words, "mt.mem_used", env=here(place), **nobody), 3, "",
                 f"mtctl: no permission for {path} (run mtctl as the user of the process, or as "
                 "root)\n")
        says(run("-p", str(program.pid), "mt.mem_used", **nobody), 3, "",
             f"mtctl: no socket of process {program.pid} (sleep) was found, and uid 65534 may not look "
             "into it (run mtctl as its user, or as root)\n")
        says(run("-n", "slepp", "mt.mem_used", env=here(place), **nobody), 3, "",
             "mtctl: no instance is called slepp, did you mean sleep?\n")
        for words in ([], ["-n", "sleep"]):
            done = run("ls", *words, env=here(place), **nobody)
            equal((done.status, done.err), (0, ""))
            equal([line.split() for line in done.out.splitlines()[1:]],
                  [[str(program.pid), str(os.getpid()), "sleep", "0", "-", "no", "permission", "-", path]])
        equal(json.loads(run("ls", "-j", env=here(place), **nobody).out),
              [{"pid": program.pid, "parent": os.getpid(), "name": "sleep", "uid": 0,
                "error": "no permission", "socket": path}])
        program.process.kill()
        program.process.wait()
        assert os.path.exists(path), "nobody may not remove root's name"
        says(run("ls", env=here(place), **nobody), 0, HEADER)
        says(run("mt.mem_used", env=here(place), **nobody), 3, "",
             f"mtctl: no permission for {path} (run mtctl as the user of the process, or as root)\n")


# Two children of another user.
PREFORK = """
import subprocess, sys, time
user = dict(user=int(sys.argv[1]), group=int(sys.argv[1]), extra_groups=[])
started = [subprocess.Popen(["/usr/bin/python3", "-c", "import time; time.sleep(1000)"], **user) for _ in range(2)]
print(*[child.pid for child in started], flush=True)
time.sleep(1000)
"""


@as_root
def those_that_refuse_are_parents_and_siblings_all_the_same():
    with Place() as place:
        tool, library = shutil.copy(MTCTL, place.path), shutil.copy(LIB, place.path)
        nobody = dict(user=NOBODY, group=NOBODY, extra_groups=[], binary=tool, env=here(place))
        env = place.environment() | {"LD_PRELOAD": library}
        with Program(["/usr/bin/python3", "-c", PREFORK, str(NOBODY)], env=env, stdout=subprocess.PIPE) as master:
            workers = sorted(int(word) for word in master.process.stdout.readline().split())
            for pid in (master.pid, *workers):
                place.wait_socket(pid)

            def listed(*words):
                return [i["pid"] for i in json.loads(run("ls", "-j", *words, **nobody).out)]

            equal(listed(), sorted((master.pid, *workers)))
            equal(listed("-n", "python3:worker"), workers)
            equal(listed("-n", "python3:master"), [master.pid])
            for place_of, pid in enumerate(workers, 1):
                done = run("-n", f"python3:worker:{place_of}", "-j", "mt.info", **nobody)
                equal(json.loads(done.out).get("pid"), pid, done.out)
            each_says(run("-n", "python3", "--all", "mt.mem_used", **nobody),
                      [f"# {pid} python3\n0\n" for pid in workers])
            says(run("-n", "python3:master", "mt.mem_used", **nobody), 3, "",
                 f"mtctl: no permission for {place.socket(master.pid)} (run mtctl as the user of the process, or as "
                 "root)\n")


@fact
def a_socket_that_changes_hands_is_noticed():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Program([MTCTL, "-p", str(program.pid), "-"], env=here(place), text=True,
                     stdin=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            waiting.process.stdin.write("ls\n")
            waiting.process.stdin.flush()
            assert waiting.process.stderr.readline()  # it has found its target
            with Server(result_of("7"), path=path + ".new"):
                os.rename(path + ".new", path)  # one that is only removed would be bound again
                said = waiting.process.communicate("mt.mem_used\n", timeout=PATIENCE_S)[1]
        equal((waiting.process.returncode, said), (
            3, f"mtctl: a foreign socket: process {os.getpid()} listens on {path}, not the process "
            "that its name says (-s SOCKET takes it all the same)\n"))


run_facts()
