"""A sidecar in Python, for tests of the glue: the protocol of a worker process, and sub-graphs of one word.

Values are bytes. A value that begins with `bad` cannot be read, one that begins with `mute` cannot be written.
"""
import array
import os
import signal
import socket
import struct
import sys
import threading
import time

import msgpack

PREFIX = struct.Struct("<IQ")
TOKEN = "f00d"


class Talk:
    def __init__(self, connection):
        self.connection = connection

    def read(self):
        data, descriptors = b"", array.array("i")
        while len(data) < PREFIX.size:
            part, ancillary, _, _ = self.connection.recvmsg(PREFIX.size - len(data), socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
            if not part:
                sys.exit()
            data += part
            for _, _, content in ancillary:
                descriptors.frombytes(content)
        n_header, n_body = PREFIX.unpack(data)
        header = msgpack.unpackb(self.exactly(n_header))
        name, fields = next(iter(header.items())) if isinstance(header, dict) else (header, {})
        return name, fields, self.exactly(n_body), descriptors[0] if descriptors else None

    def exactly(self, n):
        data = bytearray()
        while len(data) < n:
            part = self.connection.recv(min(1 << 20, n - len(data)))
            if not part:
                sys.exit()
            data += part
        return bytes(data)

    def write(self, message, body=b""):
        header = msgpack.packb(message)
        self.connection.sendall(PREFIX.pack(len(header), len(body)) + header + body)


values, cancelled, lock = {}, set(), threading.Lock()
executed = 0


def execute(fields, payload):
    """The reply to Execute."""
    arguments = [values[id] for id in fields["arguments"] if id in values]
    if len(arguments) < len(fields["arguments"]):
        return {"Missing": {"id": 0}}
    word, _, rest = payload.partition(b" ")
    if word == b"fail":
        return {"Failed": {"task": 3, "message": rest.decode(), "panic": False}}
    if word == b"panic":
        return {"Failed": {"task": 0xFFFFFFFF, "message": rest.decode(), "panic": True}}
    if word == b"abort":
        os.kill(os.getpid(), signal.SIGABRT)
    if word == b"wait":
        while fields["run"] not in cancelled:
            time.sleep(0.005)
        return "Cancelled"
    if word == b"echo":
        results = [rest]
    elif word == b"zeros":
        results = [bytes(int(rest))]
    elif word == b"join":
        results = [b"".join(arguments)]
    elif word == b"split":
        results = rest.split()
    values.update(zip(fields["results"], results))
    return {"Done": {"nbytes": [len(result) for result in results], "nanoseconds": 1}}


def put(id, value, descriptor):
    if descriptor is not None:
        with socket.socket(fileno=descriptor) as other:
            name, _, value, _ = Talk(other).read()
        if name != "Value":
            return {"Missing": {"id": id}}
    if value.startswith(b"bad"):
        return {"Damaged": {"why": "it is bad"}}
    values[id] = value
    return {"Stored": {"nbytes": len(value)}}


def converse(talk, secret):
    try:
        answer(talk, secret)
    except ConnectionError:
        pass  # The other end is gone.


def answer(talk, secret):
    global executed
    name, fields, _, _ = talk.read()
    if name != "Hello" or fields["secret"] != secret:
        return talk.write({"Refused": {"why": "a stranger"}})
    talk.write("Welcome")
    while True:
        name, fields, body, descriptor = talk.read()
        if name == "Execute":
            executed += 1
            talk.write(execute(fields, body))
        elif name == "Put":
            talk.write(put(fields["id"], body, descriptor))
        elif name == "Get":
            value = values.get(fields["id"])
            if value is None:
                talk.write({"Missing": {"id": fields["id"]}})
            elif value.startswith(b"mute"):
                talk.write({"Damaged": {"why": "it is mute"}})
            else:
                talk.write({"Value": {"nbytes": len(value), "len": len(value)}}, value)
        elif name == "Drop":
            for id in fields["ids"]:
                values.pop(id, None)
        elif name == "Cancel":
            cancelled.add(fields["run"])
            talk.write("Ok")
        elif name == "Stats":
            talk.write({"Stats": {"values": len(values), "executed": executed, "pid": os.getpid()}})


def main():
    lifeline = Talk(socket.socket(fileno=os.dup(0)))
    name, setup, _, _ = lifeline.read()
    if setup["executable"] != TOKEN:
        lifeline.write({"Refused": {"why": f"it is {TOKEN}"}})
        os._exit(2)
    lifeline.write({"Ready": {"version": 2, "pid": os.getpid(), "executable": TOKEN}})

    def connections():
        while True:
            _, _, _, descriptor = lifeline.read()
            talk = Talk(socket.socket(fileno=descriptor))
            threading.Thread(target=converse, args=(talk, setup["secret"]), daemon=True).start()

    try:
        connections()
    finally:
        os._exit(0)


main()
