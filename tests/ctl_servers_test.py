#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mtctl asks servers that are none of ours: they keep whoever asks them, answer another question, or answer nonsense."""

import json
import time

from ctl import Server, isolate, result_of, run, says
from harness import equal, fact, run_facts

isolate()


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


run_facts()
