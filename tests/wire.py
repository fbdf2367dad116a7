# SPDX-License-Identifier: BSD-2-Clause
"""Transcripts of conversations: reading them, replaying them, and what their replies mean.

A transcript is text: `== FORMAT` begins a conversation, `> ` sends a line, `< ` is a line that
comes back, exactly. In BINRPC both are bytes: hexadecimal pairs and "strings"."""

import json
import re
import struct


def binary(text):
    """a1 03 "mt.mem_used" 00 -> bytes"""
    out = b""
    for quoted, pair in re.findall(r'"([^"]*)"|([0-9a-f]{2})', text):
        out += quoted.encode() if not pair else bytes.fromhex(pair)
    return out


class Conversation:
    """One format's side of a transcript: pairs of what is sent and what comes back."""

    def __init__(self, form):
        self.form, self.turns = form, []

    def add(self, mark, line):
        data = binary(line) if self.form == "binrpc" else line.encode() + b"\n"
        if mark == ">":
            self.turns.append([data, b""])
        else:
            self.turns[-1][1] += data

    def replay(self, client):
        """Sends each turn and compares what comes back, byte for byte."""
        for sent, wanted in self.turns:
            client.send(sent)
            got = client.exactly(len(wanted)) if wanted else b""
            assert got == wanted, f"{self.form} {sent!r}: got {got!r}, wanted {wanted!r}"

    def meaning(self):
        """The replies without their format: ("fault", code, text) or the values as words."""
        read = {"text": text_meaning, "json": json_meaning, "binrpc": binrpc_meaning}[self.form]
        return [read(wanted) for _, wanted in self.turns]


def conversations(lines):
    """All conversations of a transcript's lines."""
    found = []
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("== "):
            found.append(Conversation(line[3:]))
        elif line[:1] in ("<", ">") and found:
            found[-1].add(line[0], line[2:])
    return found


def text_meaning(reply):
    head, *body = reply.decode().rstrip("\n").split("\n")
    code, _, text = head.partition(" ")
    if code != "200":
        return "fault", int(code), text
    return [line.partition(": ")[2] if line.startswith("\t") else line
            for line in body if line not in ("{", "}")]


def json_meaning(reply):
    document = json.loads(reply)
    if "error" in document:
        return "fault", document["error"]["data"]["code"], document["error"]["message"]
    return flatten(document["result"])


def flatten(value):
    if value is None or value == "":
        return []
    if isinstance(value, (list, dict)):
        items = value.values() if isinstance(value, dict) else value
        return [word for item in items for word in flatten(item)]
    return str(value).split("\n")


def records(body):
    """The values of a BINRPC body, structs flattened, names left out."""
    at = 0
    while at < len(body):
        kind, size = body[at] & 15, body[at] >> 4
        at += 1
        if kind in (3, 4):
            continue
        if size & 8:
            size, at = int.from_bytes(body[at:at + (size & 7)], "big"), at + (size & 7)
        data, at = body[at:at + size], at + size
        if kind == 0:
            yield int.from_bytes(data, "big")
        elif kind == 1:
            yield data[:-1].decode()


def binrpc_meaning(reply):
    width, cookie = (reply[1] >> 2 & 3) + 1, (reply[1] & 3) + 1
    values = list(records(reply[2 + width + cookie:]))
    if reply[1] >> 4 == 3:
        return ("fault", *values)
    return [word for value in values for word in flatten(value)]


def binrpc_request(method, *params, cookie=0x12345678):
    """A request as kamcmd makes it: digits are integers, everything else strings."""
    body = binrpc_string(method)
    for param in params:
        if re.fullmatch(r"\d+", str(param)):
            value = int(param)
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
            body += bytes([len(data) << 4]) + data
        else:
            body += binrpc_string(str(param))
    size = len(body).to_bytes(max(1, (len(body).bit_length() + 7) // 8), "big")
    return bytes([0xA1, (len(size) - 1) << 2 | 3]) + size + struct.pack(">I", cookie) + body


def binrpc_string(text):
    data = text.encode() + b"\0"
    if len(data) < 8:
        return bytes([len(data) << 4 | 1]) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([(8 | len(size)) << 4 | 1]) + size + data
