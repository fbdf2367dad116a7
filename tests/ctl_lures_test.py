#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl, run by whoever may do more, against what somebody else has laid out for it: servers that are none,
names that are not theirs, files that are no files, text that commands a terminal."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

from ctl import Family, Server, as_root, clean, here, host, isolate, name_of, path_of, result_of, run, says
from harness import MTCTL, Place, Program, equal, fact, run_facts, wait_for

isolate()


# What a terminal obeys or hides, from a server.

HIDDEN = "\xad\u034f\u115f\u180b\u200b\u200d\u2060\u2064\u3164\ufe0f\ufeff\U000e0041\U000e007f\U000e0100"
OBEYED = ("\x1b\x7f\x9b\x9d\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" + HIDDEN)
RAW = "".join(c for c in OBEYED if c >= "\x7f")  # as JSON may have them in a string, without an escape
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
                       "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
                       "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\udc80-\udcff]")


def harmless(text):
    assert not FORBIDDEN.search(text), ascii(text)
    return text


def replies(text):
    """The text in every part of a reply that is shown."""
    quoted = [json.dumps(text, ensure_ascii=False), json.dumps(text)]
    if "\x1b" in text:
        quoted = quoted[1:]
    for q in quoted:
        yield q
        yield f"[{q}, {{{q}: [{q}, {{{q}: {q}}}]}}]"


@fact
def no_result_reaches_a_terminal_unescaped():
    for text in (OBEYED, RAW):
        for reply in replies(text):
            with Server(result_of(reply), result_of(reply)) as server:
                shown = harmless(run("-s", server.path, "a.b").out)
                assert "?" * len(text) in shown, ascii(shown)
                found = harmless(run("-j", "-s", server.path, "a.b").out)
                equal(json.loads(found), json.loads(reply))


@fact
def no_refusal_reaches_a_terminal_unescaped():
    for quoted in (json.dumps(OBEYED), json.dumps(RAW, ensure_ascii=False)):
        reply = ('{"jsonrpc":"2.0","error":{"code":-1,"message":%s,"data":{"code":7}},"id":1}\n' % quoted).encode()
        with Server(reply, reply) as server:
            done = run("-s", server.path, "a.b")
            equal((done.status, done.out), (1, ""))
            equal(harmless(done.err), f"error: 7 - {'?' * len(json.loads(quoted))}\n")
            found = json.loads(harmless(run("-j", "-s", server.path, "a.b").out))
            equal(found, {"error": {"code": 7, "message": json.loads(quoted)}})


@fact
def blanks_between_values_do_not_move_the_cursor():
    with Server(b'{"jsonrpc":"2.0","result":[1,\r\t2],"id":1}\n') as server:
        equal(run("-j", "-s", server.path, "a.b").out, "[1,  2]\n")


@fact
def bytes_that_are_no_text_are_no_reply():
    for raw in (b"\x9b", b"\xff", b"\xc2", b"\xe2\x80", b"\x1b", b"\x00"):
        with Server(b'{"jsonrpc":"2.0","result":"a%sb","id":1}\n' % raw) as server:
            done = run("-s", server.path, "a.b")
            equal((done.status, done.out), (3, ""))
            harmless(done.err)


@fact
def words_of_the_command_line_are_echoed_escaped():
    for words in (["a" + OBEYED], ["-t", OBEYED, "x"], ["-p", OBEYED], ["--" + OBEYED], ["-s", "/" + OBEYED, "a.b"],
                  ["ls", OBEYED], ["doctor", OBEYED], ["doctor", "--", "/" + OBEYED], ["-n", OBEYED, "a.b"],
                  ["-n", f"a:{OBEYED}:x", "a.b"], ["run", "--set", OBEYED], ["run", "--" + OBEYED]):
        for form in ([], ["-j"]):
            done = run(*form, *words)
            assert done.status, words
            harmless(done.out + done.err)


# A process calls itself so, its file, its command line and its directory.
CALLED = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(15, b"x\\xc2\\x9b\\xe2\\x80\\xae\\x9by\\x1b")
time.sleep(1000)
"""


@fact
def nothing_that_a_process_calls_itself_reaches_a_terminal_unescaped():
    with Place() as place:
        place.run = os.path.join(place.path, "d\x9b\u202e\x1b")
        os.mkdir(place.run)
        program = os.path.join(place.path, "p\x9b\u2066")
        os.symlink(sys.executable, program)
        argv = [program, "-c", CALLED, OBEYED.replace("\x00", "")]
        with host(place, argv) as one, host(place, argv) as two:
            for each in (one, two):
                path_of(place, each)
                wait_for(lambda each=each: name_of(each).startswith("x"), "the name")
            pid = str(one.pid)
            for words in (["ls"], ["--all", "mt.mem_used"], ["mt.mem_used"], ["-p", pid, "mt.mem_used"],
                          ["-n", "x*", "mt.mem_used"], ["-n", "x*:nobody", "mt.mem_used"], ["-n", "x*::9", "mt.mem_used"],
                          ["doctor"], ["doctor", pid]):
                for form in ([], ["-j"]):
                    done = run(*form, *words, env=here(place))
                    harmless(done.out + done.err)
            shown = run("ls", env=here(place)).out.splitlines()
            equal(shown[1].split()[2], "x???y?")


@fact
def names_that_look_the_same_are_the_same():
    names = ("slee?p", "slee\u200bp", "slee\U000e0041p", "slee\xadp")
    with Place() as place, contextlib.ExitStack() as running:
        for name in names:
            program = shutil.copy(shutil.which("sleep"), os.path.join(place.path, name))
            path_of(place, running.enter_context(host(place, (program, "1000"))))
        with host(place) as other:
            path_of(place, other)
            for name in names:
                done = run("-n", name, "mt.mem_used", env=here(place))
                equal((done.status, done.out), (3, ""))
                assert "4 instances are called slee?p" in done.err, done.err
            running.close()
            done = run("-n", "sle\u200bp", "mt.mem_used", env=here(place))
            equal((done.status, done.out), (3, ""), "what cannot be shown is no pattern")


# Files that are no files. A FIFO tells whether it has been opened: then its writer does not wait any more.

class Fifo:
    def __init__(self, path):
        self.path = path
        os.mkfifo(path, 0o777)
        self.writer = subprocess.Popen(["sh", "-c", ': > "$0"', path])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.writer.kill()
        self.writer.wait()

    def is_untouched(self):
        return self.writer.poll() is None


class Preloading(Program):
    """A program whose LD_PRELOAD names a file that the loader has not found: it looks before it maps libc."""

    def __init__(self, library):
        super().__init__(["sh", "-c", 'exec 2>&-; LD_PRELOAD=$0 exec sleep 1000', library])

    def __enter__(self):
        super().__enter__()
        wait_for(lambda: name_of(self) == "sleep" and "libc.so" in open(f"/proc/{self.pid}/maps").read(), "sleep")
        return self


@fact
def doctor_opens_no_fifo_that_somebody_names():
    with Place() as place:
        library = os.path.join(place.path, "libmtpreload.so")
        with Preloading(library) as program:
            with Fifo(library) as fifo:
                for words in ([str(program.pid)], [], ["--", library]):
                    assert run("doctor", *words).status in (0, 1)
                    assert fifo.is_untouched(), words


@fact
def doctor_takes_devices_and_directories_for_what_they_are():
    for make in (os.mkdir, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("/proc/self/mem", path)):
        with Place() as place:
            library = os.path.join(place.path, "libmtpreload.so")
            with Preloading(library) as program:
                make(library)
                equal(run("doctor", str(program.pid)).status, 1)


# Servers that keep whoever asks them.

PROGRESS = b'{"jsonrpc":"2.0","method":"progress","params":{"id":1,"done":1,"total":2}}\n'


def forever(piece, pause=0):
    def talk(connection):
        connection.recv(1)
        while True:
            connection.sendall(piece)
            time.sleep(pause)
    return talk


def once(piece):
    def talk(connection):
        connection.recv(1)
        connection.sendall(piece)
        while connection.recv(4096):
            pass
    return talk


HOLDING = {
    "streams without a newline": (forever(b"x" * 1_000_000), (3, 4)),
    "streams newlines": (forever(b"\n" * 1_000_000), (3,)),
    "streams progress": (forever(PROGRESS * 1000), (4,)),
    "answers byte by byte": (forever(b" ", 0.01), (4,)),
    "sends a notification only": (once(PROGRESS), (4,)),
    "accepts and is silent": (once(b""), (4,)),
    "closes at once": (lambda connection: None, (3,)),
}


@fact
def a_call_ends_whatever_the_server_does():
    for name, (talk, statuses) in HOLDING.items():
        with Server() as server:
            server.talk = talk
            for form in ([], ["-j"]):
                done = run(*form, "-t", "0.3", "-s", server.path, "a.b")
                assert done.status in statuses, (name, done.all())
                assert form or (not done.out and len(done.err) < 1000), (name, done.all())


@fact
def a_line_without_an_end_is_told():
    with Server() as server:
        server.talk = forever(b"x" * 1_000_000)
        done = run("-s", server.path, "a.b")  # no limit but that of the line is near
        equal((done.status, done.out), (3, ""))
        assert "sent a line of more than 128 MiB" in done.err, done.err


@fact
def a_reply_to_another_request_is_not_believed():
    error = "mtctl: what listens on {} answered another request than ours: its id differs\n"
    for other in ("2", "0", '"1"', "1.0", "null", "[1]"):
        with Server(result_of("7", other)) as server:
            says(run("-s", server.path, "a.b"), 3, "", error.format(server.path))
    with Server(result_of("7") + result_of("8")) as server:  # the second comes before it is asked for
        says(run("-s", server.path, "-", stdin="a.b\nc.d\n"), 3, "7\n", error.format(server.path))
    info, status = '{"uptime_s":1,"allocator":"x"}', '{"held":5}'
    for number, listed in ((2, True), (1, False), (3, False)):
        with Server(result_of(info), result_of(status, number)) as server:
            equal(["held" in i for i in json.loads(run("ls", "-j", "-s", server.path).out)], [listed], number)


@fact
def a_refusal_may_be_of_no_request():
    refusal = b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"no JSON","data":{"code":400}},"id":null}\n'
    with Server(refusal) as server:
        says(run("-s", server.path, "a.b"), 1, "", "error: 400 - no JSON\n")


@fact
def a_reply_does_not_grow_by_its_brackets():
    reply = "[" * 60 + "0," * 100000 + "0" + "]" * 60
    with Server(result_of(reply)) as server:
        done = run("-s", server.path, "a.b")
        equal((done.status, done.err), (0, ""))
        assert 0 < len(done.out) < 10 * len(reply), len(done.out)


@fact
def ls_ends_whatever_the_server_does():
    for name, (talk, _) in HOLDING.items():
        with Server() as server:
            server.talk = talk
            done = run("ls", "-j", "-s", server.path)
            equal((name, done.status, done.err), (name, 0, ""))
            equal([i["error"] for i in json.loads(done.out)], ["not answering"], name)


@fact
def values_of_the_wrong_types_are_no_answer():
    for value in ("null", "true", "-1", "1e400", "1.5", '"5"', "[]", "{}", "99999999999999999999999", '"\\u0000"'):
        for reply in (value, f"[{value}]", '{"uptime_s":%s,"held":%s,"allocator":%s}' % (value, value, value)):
            for whole in (result_of(reply), b'{"error":%s}\n' % reply.encode(),
                          b'{"error":{"code":%s,"message":%s,"data":%s}}\n' % ((value.encode(),) * 3)):
                with Server(whole, whole) as server:
                    done = run("ls", "-j", "-s", server.path)
                    equal((done.status, done.err), (0, ""))
                    equal(["error" in i for i in json.loads(done.out)], [True], (reply, whole))
                with Server(whole) as server:
                    done = run("-s", server.path, "a.b")
                    assert done.status in (0, 1, 3), done.all()


# Names that an unprivileged user has laid out for root.

USER = 1000
LURES = f"/tmp/mtpreload-{USER}"


class Lures(Program):
    """A process of that user's, which runs `code` in its own directory of sockets and then sleeps."""

    COMMON = """
import ctypes, os, socket, sys, threading, time
os.setgroups([]); os.setgid({user}); os.setuid({user})
os.makedirs("{dir}", 0o700, exist_ok=True)
os.chdir("{dir}")
kept = []
def listen(name, backlog=8):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen(backlog)
    kept.append(s)
def fill(name):
    listen(name, 0)
    while True:
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        kept.append(c)
        try:
            c.connect(name)
        except BlockingIOError:
            return
def name(pid, nth=""):
    return f"mtpreload.{{pid}}{{nth}}.sock"
victim = int(sys.argv[1])
"""

    def __init__(self, victim, code):
        common = self.COMMON.format(user=USER, dir=LURES)
        super().__init__([sys.executable, "-c", f"{common}\n{code}\nprint('laid', flush=True)\ntime.sleep(1000)",
                          str(victim)], env=clean(), stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        super().__enter__()
        equal(self.hear(), "laid\n")
        return self

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(LURES)


def is_listed(program, path, env):
    """mtctl finds the program's own socket, and it answers."""
    done = run("ls", "-j", env=env)
    equal((done.status, done.err), (0, ""))
    found = [i for i in json.loads(done.out) if i["pid"] == program.pid]
    equal([(i["socket"], i["uid"]) for i in found], [(path, 0)])
    equal(run("-p", str(program.pid), "mt.mem_used", env=env).all(), (0, "0\n", ""))
    return json.loads(done.out)


def lured(code):
    """What ls lists beside a program of root's, and what is left of the lures."""
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, code) as lures:
            listed = is_listed(program, path, here(place))
            is_listed(program, path, clean())
            return [i for i in listed if i["pid"] not in (program.pid, lures.pid)], sorted(os.listdir(LURES))


@as_root
def a_squatted_name_with_a_full_queue_hides_nobody():
    equal(lured("fill(name(victim))")[0], [])


@as_root
def twenty_names_with_full_queues_hide_nobody():
    equal(lured("fill(name(victim))\nfor i in range(2, 21): fill(name(victim, f'.{i}'))")[0], [])


@as_root
def a_server_that_is_another_process_hides_nobody():
    equal(lured("listen(name(victim))")[0], [])


@as_root
def files_that_are_no_sockets_hide_nobody():
    for code in ("os.mkfifo(name(victim))", "open(name(victim), 'w').close()", "os.mkdir(name(victim))",
                 "os.symlink('/dev/zero', name(victim))"):
        others, left = lured(code)
        equal((others, len(left)), ([], 1), code)


@as_root
def a_link_to_a_socket_of_root_s_is_not_followed():
    with Place() as place, Server(path=os.path.join(place.path, "root.sock")) as server:
        came = []
        server.talk = came.append
        os.chmod(server.path, 0o666)
        equal(lured(f"os.symlink('{server.path}', name(victim))")[0], [])
        equal(lured(f"os.symlink('{server.path}', name(os.getpid()))")[0], [])
        with Lures(1, f"os.symlink('{server.path}', name(4000001))"):
            equal(run("ls").status, 0)
            equal(os.listdir(LURES), ["mtpreload.4000001.sock"])
        equal(came, [])


@as_root
def a_full_queue_of_a_process_that_is_none_is_not_believed():
    dead = 2_000_000_000
    others, left = lured(f"fill(name({dead}))\nfill(name(1))")
    equal((others, left), ([], ["mtpreload.1.sock", f"mtpreload.{dead}.sock"]), "somebody listens there")
    equal(run("-p", str(dead), "mt.mem_used").status, 3)


@as_root
def what_a_dead_server_with_a_full_queue_has_left_goes_only_with_its_process():
    others, left = lured("if os.fork() == 0:\n    fill(name(2_000_000_000)); fill(name(victim)); os._exit(0)\nos.wait()")
    equal((others, [re.sub("[0-9]+", "PID", name) for name in left]), ([], ["mtpreload.PID.sock"]))
    assert "2000000000" not in left[0], left


@as_root
def a_role_is_counted_among_one_user_s_processes_only():
    python = os.path.basename(os.path.realpath(sys.executable))
    with Lures(1, "listen(name(os.getpid()))  # worker") as lure, Place() as place, \
            Family(place, "d: master process", "d: worker process", "d: worker process") as family:
        assert lure.pid < family.master  # it would be the first
        for role in ("worker:1", "worker:2", "worker", "master", ":2"):
            done = run("-t", "5", "-n", f"{python}:{role}", "mt.mem_alloc", "1", env=here(place))
            says(done, 3, "", f"mtctl: -n {python}:{role}: several users have processes of that name: uid {USER} has "
                 f"{lure.pid}; uid 0 has {family.master} and 2 more (choose with -p PID)\n")
        listed = json.loads(run("ls", "-j", "-n", f"{python}:worker:1", env=here(place)).out)
        equal([i["pid"] for i in listed], [lure.pid, family.workers[0]], "the first of each user's")


HUNDRED_THOUSAND = """
listen("s")
for i in range(100_000):
    os.link("s", name(2_000_000_000 + i))
"""


@as_root
def a_hundred_thousand_names_hide_nobody_and_are_not_all_asked():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, HUNDRED_THOUSAND):
            for env in (here(place), clean()):
                done = run("ls", "-j", env=env)
                equal([(i["socket"], "held" in i) for i in json.loads(done.out) if i["pid"] == program.pid], [(path, True)])
                equal((done.status, done.err), (0, f"mtctl: not everything was looked at, since {LURES} has too much in it "
                                                   "(-p PID finds one process all the same)\n"))
                equal(run("mt.mem_used", env=env).all(), (0, "0\n", ""))
                equal(run("-p", str(program.pid), "mt.mem_used", env=env).all(), (0, "0\n", ""))
                equal(run("doctor", str(program.pid), env=env).status, 0)


# Whatever a process has the kernel show as its environment, or its command line.
SHOWN = """
size = 300 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))  # private, anonymous, without a reserve
stat = [int(field) for field in open("/proc/self/stat").read().rsplit(")", 1)[1].split()[1:]]
start, end, stack = stat[22:25]
data, data_end, brk, arg, arg_end, env, env_end = stat[41:48]
libc.sbrk.restype = ctypes.c_void_p
words = [start, end, data, data_end, brk, libc.sbrk(ctypes.c_long(0)), stack, arg, arg_end, env, env_end, 0]
words[shown:shown + 2] = at, at + size
shown_map = (ctypes.c_uint64 * 13)(*words, 0xffffffff << 32)
assert libc.prctl(35, 14, ctypes.byref(shown_map), ctypes.c_ulong(ctypes.sizeof(shown_map)), 0) == 0, ctypes.get_errno()
ready = threading.Event()
def ours():
    libc.prctl(15, b"mtpreload")
    ready.set()
    time.sleep(1000)
threading.Thread(target=ours, daemon=True).start()
ready.wait()
"""


def memory_of(*words):
    """How many KiB mtctl had resident at the most."""
    with subprocess.Popen([MTCTL, *words], env=clean(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss


@as_root
def what_is_shown_as_an_environment_is_not_all_read():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        for shown_at in (7, 9):  # the command line, the environment
            with Lures(program.pid, f"shown = {shown_at}\n{SHOWN}") as lure:
                is_listed(program, path, here(place))
                is_listed(program, path, clean())
                for words in (["ls"], ["-p", str(lure.pid), "mt.mem_used"], ["-n", "sleep:master", "mt.mem_used"],
                              ["doctor", str(lure.pid)]):
                    assert memory_of(*words) < 100 << 10, words


@as_root
def a_silent_server_delays_no_other_s_reset():
    for code in ("listen(name(os.getpid()))", "fill(name(os.getpid()))"):
        with Lures(1, code) as lure, Place() as place, host(place) as program:
            assert lure.pid < program.pid  # it is asked first
            path_of(place, program)
            env = here(place)
            says(run("-p", str(program.pid), "mt.mem_alloc", "5", env=env), 0)
            with subprocess.Popen([MTCTL, "-t", "0", "--all", "mt.reset"], env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as asking:
                try:
                    wait_for(lambda: run("-p", str(program.pid), "mt.mem_used", env=env).out == "0\n", "the reset")
                finally:
                    asking.kill()


MANY = """
reading, writing = os.pipe()
for i in range(200):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        (listen if i % 2 else fill)(name(os.getpid()))
        os.write(writing, b"+")
        time.sleep(1000)
os.close(writing)
for i in range(200):
    assert os.read(reading, 1)
"""


@as_root
def two_hundred_servers_that_never_answer_hide_nobody():
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        with Lures(program.pid, MANY) as lures:
            listed = is_listed(program, path, here(place))
            equal({i["error"] for i in listed if i["parent"] == lures.pid}, {"not answering"})
            assert sum(i["parent"] == lures.pid for i in listed) >= 100  # those whose server could be asked for


NAMED = """
reading, writing = os.pipe()
def ours():
    ctypes.CDLL(None).prctl(15, b"mtpreload")
    os.write(writing, b"+")
    time.sleep(1000)
for i in range(200):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 9)  # ends with its parent
        listen(name(os.getpid()))
        threading.Thread(target=ours).start()
        time.sleep(1000)
os.close(writing)
for i in range(200):
    assert os.read(reading, 1)
"""


@as_root
def doctor_says_how_many_it_has_left_out():
    """Each of these would take it two seconds."""
    with Place() as place, host(place) as program:
        path = path_of(place, program)
        env = here(place)
        with Lures(program.pid, NAMED):
            for seconds in (1, 4, 16):  # a busy machine needs longer for the one that is well
                done = run("-t", str(seconds), "doctor", env=env)
                equal((done.status in (0, 1), done.err), (True, ""))
                assert re.search(r"(?m)^note     unfinished   \d+ processes were not looked at: ", done.out), done.out
                if f"ok       process      {program.pid} (sleep): {path}\n" in done.out:
                    break
            else:
                raise AssertionError(done.out)
            found = {f["check"]: f for f in json.loads(run("-j", "-t", "1", "doctor", env=env).out)}
            equal((found["unfinished"]["level"], found["unfinished"]["remedy"]),
                  ("note", "mtctl doctor PID looks at one; mtctl -t SEC doctor takes longer"))


run_facts()
