#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The three formats, from a second language: the transcripts of tests/wire and docs/protocol.md
replayed byte for byte, and everything that a clumsy or hostile client can do to a connection."""

import glob
import json
import os
import re
import select
import socket
import struct
import subprocess

from harness import TOP, Client, Place, Program, equal, fact, run_facts, wait_for
from wire import binrpc_request, conversations

USED = {
    "text": b"mt.mem_used\n",
    "json": b'{"jsonrpc":"2.0","method":"mt.mem_used","id":1}\n',
    "binrpc": binrpc_request("mt.mem_used"),
}
NOTHING_USED = {
    "text": b"200 OK\n0\n\n",
    "json": b'{"jsonrpc":"2.0","result":0,"id":1}\n',
    "binrpc": b"\xa1\x13\x01\x12\x34\x56\x78\x00",
}


class Host:
    """A quiet host under the library."""

    def __enter__(self):
        self.place = Place().__enter__()
        self.program = Program(["sleep", "1000"], env=self.place.environment()).__enter__()
        self.path = self.place.wait_socket(self.program.pid)
        return self

    def __exit__(self, *error):
        self.program.__exit__(*error)
        self.place.__exit__(*error)

    def client(self):
        return Client(self.path)

    def is_well(self):
        """It lives, answers, and nobody else is connected any more."""
        assert self.program.process.poll() is None, "the host has died"
        with self.client() as client:
            wait_for(lambda: client.call("mt.status")["clients"] == 1, "the others to be dropped")
            equal(client.call("mt.mem_used"), 0)


def transcripts():
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "wire", "*"))):
        with open(path) as file:
            yield os.path.basename(path), conversations(file)


@fact
def every_transcript_is_what_is_said():
    count = 0
    for name, talks in transcripts():
        for talk in talks:
            with Host() as host, host.client() as client:
                talk.replay(client)
            count += 1
    assert count >= 21, count


@fact
def every_transcript_means_the_same_in_each_format():
    for name, talks in transcripts():
        equal([talk.form for talk in talks], ["text", "json", "binrpc"], name)
        equal(talks[1].meaning(), talks[0].meaning(), name)
        equal(talks[2].meaning(), talks[0].meaning(), name)


@fact
def the_protocol_document_shows_real_conversations():
    with open(os.path.join(TOP, "docs", "protocol.md")) as file:
        blocks = re.findall(r"^```\n(== .*?)^```$", file.read(), re.M | re.S)
    equal(len(blocks), 3)
    for block in blocks:
        for talk in conversations(block.splitlines()):
            with Host() as host, host.client() as client:
                talk.replay(client)


@fact
def socat_is_client_enough():
    with Host() as host:
        got = subprocess.run(["socat", "-t", "300", "-", f"UNIX-CONNECT:{host.path}"],
                             input="mt.mem_alloc 10 k\nmt.mem_used\n" +
                             USED["json"].decode() + "mt.mem_free\n",
                             capture_output=True, text=True, check=True).stdout
    equal(got, '200 OK\n\n200 OK\n10240\n\n{"jsonrpc":"2.0","result":10240,"id":1}\n'
               "200 OK\n10240\n\n")


@fact
def formats_mix_on_one_connection_and_keep_their_order():
    with Host() as host, host.client() as client:
        order = ["text", "binrpc", "json", "json", "binrpc", "text"] * 20
        client.send(b"".join(USED[form] for form in order))
        for form in order:
            equal(client.exactly(len(NOTHING_USED[form])), NOTHING_USED[form])


@fact
def input_may_come_byte_by_byte():
    with Host() as host, host.client() as client:
        for form, request in USED.items():
            for byte in request:
                client.send(bytes([byte]))
            equal(client.exactly(len(NOTHING_USED[form])), NOTHING_USED[form], form)


@fact
def ten_thousand_requests_are_answered_before_a_reply_is_read():
    for form, request in USED.items():
        with Host() as host, host.client() as client:
            for _ in range(100):
                client.send(request * 100)
            wanted = NOTHING_USED[form] * 10000
            assert client.exactly(len(wanted)) == wanted, form


@fact
def the_sixty_fifth_connection_is_refused_by_an_answer_to_its_own_request():
    with Host() as host:
        clients = [host.client() for _ in range(64)]
        for client in clients:
            client.send(USED["text"])
            equal(client.until(b"\n\n"), "200 OK\n0")
        why = "too many connections, 64 are open (only commands that take back are served now, as mt.reset)"
        fault = b"\x20\x01\xf7\x91" + bytes([len(why) + 1]) + why.encode() + b"\0"
        answers = {"text": f"503 {why}\n\n".encode(),
                   "json": b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"' + why.encode() +
                           b'","data":{"code":503}},"id":1}\n',
                   "binrpc": b"\xa1\x33" + bytes([len(fault)]) + b"\x12\x34\x56\x78" + fault}
        for form, answer in answers.items():
            with host.client() as late:
                late.send(USED[form])
                equal(read_all(late), answer, form)
        clients.pop().socket.close()

        def room():
            with host.client() as client:
                client.send(USED["text"])
                return read_all(client, 10) == b"200 OK\n0\n\n"
        wait_for(room, "the place of the one that left")
        for client in clients:
            client.socket.close()
        host.is_well()


def read_all(client, count=None):
    """What comes until the end of the stream, or `count` bytes."""
    got = client.rest
    while (count is None or len(got) < count) and (piece := client.socket.recv(65536)):
        got += piece
    return got


@fact
def half_closed_clients_are_answered_and_then_closed():
    with Host() as host:
        for form, request in USED.items():
            with host.client() as client:
                client.send(request * 3)
                client.socket.shutdown(socket.SHUT_WR)
                equal(read_all(client), NOTHING_USED[form] * 3, form)
        host.is_well()


@fact
def clients_that_vanish_hurt_nobody():
    with Host() as host:
        for form, request in USED.items():
            for part in (request * 1000, request[:5], request[:1], b""):
                client = host.client()
                client.send(part)
                client.socket.close()
        host.is_well()
        with open(f"/proc/{host.program.pid}/stat") as stat:
            before = stat.read().split()[13:15]
        subprocess.run(["sleep", "1"], check=True)
        host.is_well()
        with open(f"/proc/{host.program.pid}/stat") as stat:
            after = stat.read().split()[13:15]
        assert sum(map(int, after)) - sum(map(int, before)) < 50, "it spins"


@fact
def a_reader_that_never_reads_holds_nobody_up_and_is_dropped():
    with Host() as host, host.client() as deaf, host.client() as other:
        deaf.socket.settimeout(1)
        try:
            while True:
                deaf.send(b"mt.describe\n" * 100)
        except OSError:
            pass  # it is not read any more
        equal(other.call("mt.mem_used"), 0)
        wait_for(lambda: other.call("mt.status")["clients"] == 1, "the deaf one to be dropped")


@fact
def requests_of_64_kib_are_taken_and_one_byte_more_is_refused():
    with Host() as host, host.client() as client:
        whole = b"mt.mem_used".ljust(65535) + b"\n"
        client.send(whole)
        equal(client.until(b"\n\n"), "200 OK\n0")
        client.send(b"mt.mem_used".ljust(65536) + b"\n" + USED["text"])
        equal(client.until(b"\n\n"), "400 the request is longer than 65536 bytes")
        equal(client.until(b"\n\n"), "200 OK\n0")
        # A packet that says it is longer is answered at once, and read over.
        header = b"\xa1\x0b" + struct.pack(">I", 100000)[1:] + b"\x01\x02\x03\x04"
        client.send(header)
        got = client.exactly(3)
        equal(got[:2], b"\xa1\x33")
        assert b"longer than 65536 bytes" in client.exactly(4 + got[2])
        client.send(b"x" * 100000 + USED["binrpc"])
        equal(client.exactly(8), NOTHING_USED["binrpc"])


@fact
def bad_json_is_answered_and_the_connection_goes_on():
    cases = [
        ("{", -32700), ("{}", -32600), ("[]", -32600), ("[1,]", -32700), ('{"a":1}x', -32700),
        ("[" * 30000, -32700), ('{"a":' * 60 + "1" + "}" * 60, -32600),
        ('{"jsonrpc":"2.0","method":"mt.mem_used","id":1,"id":[]}', None),
        ('{"jsonrpc":"1.0","method":"mt.mem_used","id":1}', -32600),
        ('{"jsonrpc":"2.0","method":5,"id":1}', -32600),
        ('{"jsonrpc":"2.0","method":"mt.mem_used","params":5,"id":1}', -32600),
        ('{"jsonrpc":"2.0","method":"a\\u0000b","id":1}', -32600),
        ('{"jsonrpc":"2.0","method":"' + "m" * 300 + '","id":1}', -32601),
    ]
    cases += [(json.dumps({"jsonrpc": "2.0", "method": "mt.mem_alloc", "id": 1,
                           "params": ["NUMBER"]}).replace('"NUMBER"', number), -32602)
              for number in ("1e3", "-0", "-1", "1.5", "18446744073709551616", "true", "null",
                             "[]", "{}", '""')]
    with Host() as host, host.client() as client:
        for line, code in cases:
            client.send(line + "\n")
            reply = json.loads(client.until(b"\n"))
            equal(reply.get("error", {}).get("code"), code, line[:80])
        client.send(b'{"jsonrpc":"2.0","method":"\xff\xfe","id":1}\n')
        equal(json.loads(client.until(b"\n"))["error"]["code"], -32700)
        client.send(b"mt.mem\0used\n")
        equal(client.until(b"\n\n"), "400 a NUL byte in the request")
        equal(client.call("mt.mem_used"), 0)


@fact
def bad_packets_are_answered_and_only_lost_framing_closes():
    def packet(body, kind=0):
        return bytes([0xA1, kind << 4, len(body), 7]) + body
    with Host() as host, host.client() as client:
        bodies = [b"", b"\x00", b"\x31ab", b"\x41ab\0\0", b"\xf1", b"\x91\xff", packet(b""),
                  b"\x21a\0\x03", b"\x21a\0\x83", b"\x21a\0\x07", b"\x21a\0" + b"\x03" * 100,
                  b"\x21a\0\x92\x09" + b"1" * 9]
        for body in bodies:
            client.send(packet(body))
            equal(client.exactly(2)[:2], b"\xa1\x30", repr(body))
            length = client.exactly(1)[0]
            equal(client.exactly(1), b"\x07")
            assert b"bad BINRPC packet" in client.exactly(length), body
        client.send(packet(b"\x21a\0", kind=5))
        assert b"it is no request" in client.exactly(4 + client.exactly(3)[2] - 3)
        with host.client() as other:
            other.send(packet(b"\x91\x0cmt.mem_used\0" + b"\x03" * 50 + b"\x83" * 50))
            assert b"'struct' is no unit" in other.socket.recv(1000)
            other.send(b"\xa2\x00\x00\x00")
            assert b"A1" in read_all(other)
    # 8-byte doubles are numbers that no size is.
    with Host() as host, host.client() as client:
        client.send(packet(b"\x91\x0dmt.mem_alloc\0" + b"\x92\x08" + b"\x7f" * 8))
        assert b"expected integer type but record doesn't match type" in \
            client.socket.recv(1000)
        host_used(client)


def host_used(client):
    client.send(USED["binrpc"])
    equal(client.exactly(8), NOTHING_USED["binrpc"])


@fact
def a_batch_is_answered_as_one_and_notifications_not_at_all():
    def call(method, *params, **more):
        return {"jsonrpc": "2.0", "method": method, "params": list(params), **more}
    with Host() as host, host.client() as client:
        client.send(json.dumps([call("mt.mem_alloc", "10k"), call("mt.mem_used", id=1), 5,
                                call("mt.mem_free", id="x"), call("no.such", id=2)]) + "\n")
        replies = json.loads(client.until(b"\n"))
        equal([(r["id"], r.get("result"), r.get("error", {}).get("code")) for r in replies],
              [(1, 10240, None), (None, None, -32600), ("x", 10240, None), (2, None, -32601)])
        client.send(json.dumps([call("mt.mem_alloc", 1), call("nothing")]) + "\n")
        equal(client.call("mt.mem_used"), 1)
        client.call("mt.reset")


@fact
def progress_is_told_where_it_is_asked_for():
    with Host() as host, host.client() as client:
        client.send('{"jsonrpc":"2.0","method":"mt.mem_rnd_alloc","params":[1,16,"100m"],'
                    '"id":9,"progress":true}\n')
        told = []
        while "method" in (line := json.loads(client.until(b"\n"))):
            told.append(line["params"])
        equal(line, {"jsonrpc": "2.0", "result": None, "id": 9})
        done = [part["done"] for part in told]
        assert told and done == sorted(done) and done[-1] <= 100 << 20, told
        equal({(part["id"], part["total"]) for part in told}, {(9, 100 << 20)})
        client.call("mt.reset")


@fact
def others_are_answered_while_gibibytes_come_and_go():
    """In slices: the allocator's own free of such a block is one call, and takes as long as all of them."""
    with Host() as host, host.client() as busy, host.client() as other:
        for command, reply in (("mt.mem_alloc 2g", "200 OK"), ("mt.mem_free", f"200 OK\n{2 << 30}")):
            busy.send(command + "\n")
            answers = 0
            while not select.select([busy.socket], [], [], 0)[0]:
                other.call("mt.mem_used")
                answers += 1
            equal(busy.until(b"\n\n"), reply)
            assert answers >= 3, (command, answers)


@fact
def the_catalogue_lists_every_method_and_setting():
    with Host() as host, host.client() as client:
        about = client.call("mt.describe")
        equal([c["method"] for c in about["commands"]], client.call("system.listMethods"))
        equal([f"malloc_test: {s['name']}" for s in about["settings"]], client.call("cfg.list"))
        equal({c["method"] for c in about["commands"] if c["takes_back"]},
              {"mt.reset", "mt.mem_test_stop", "mt.mem_test_destroy", "mt.mem_test_destroy_all"})
        assert all(c["changes"] for c in about["commands"] if c["takes_back"] or c["injects"]), about["commands"]
        start = next(c for c in about["commands"] if c["method"] == "mt.mem_test_start")
        equal([(p["name"], p["type"], p["optional"]) for p in start["params"]],
              [("min", "size", 0), ("max", "size", 0), ("total", "size", 0), ("min_int", "ms", 0),
               ("max_int", "ms", 0), ("total_time", "ms", 0), ("unit", "unit", 1)])


run_facts()
