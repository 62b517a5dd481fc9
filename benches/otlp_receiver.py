"""An OTLP receiver over HTTP that costs little: it keeps what comes, and counts it when it is asked to.

A body is read by one call, into memory that an earlier one was in, if that has been counted: new memory would have to be
cleared by the kernel first, which takes as long as reading.

It answers each request after `delay` seconds, each connection by itself, as a backend does that is so far away. It
reads of protobuf what it needs to count: the tags and lengths of
https://protobuf.dev/programming-guides/encoding/ and the field numbers of
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto. Requests of
log records and metrics have the same numbers down to the record.
"""

import collections
import gzip
import re
import socket
import threading
import time

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
# What is kept uncounted at most, in bytes.
MOST_KEPT = 512 * 1024 * 1024


def fields(data):
    """The fields of a message: number and value, an int or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at : at + size], at + size
        yield tag >> 3, value


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def children(data, number):
    return [value for field, value in fields(data) if field == number]


def records(request):
    """The spans (log records, metrics) of a request, each with its service, as undecoded bytes."""
    for of_resource in children(request, 1):
        service = ""
        for resource in children(of_resource, 1):
            for attribute in children(resource, 1):
                pair = dict(fields(attribute))
                if pair.get(1) == b"service.name":
                    service = dict(fields(pair[2]))[1].decode()
        for of_scope in children(of_resource, 2):
            for record in children(of_scope, 2):
                yield service, record


class Counts:
    """What came, of one signal."""

    def __init__(self):
        self.requests = 0
        self.by_service = collections.Counter()

    def total(self):
        return self.by_service.total()


class Receiver:
    def __init__(self, delay=0.0):
        self.delay = delay
        self.lock = threading.Lock()
        self.bodies, self.kept, self.free = [], 0, []
        self.reset()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            pending = b""
            try:
                while pending is not None:
                    pending = self.answer(connection, pending)
            except ConnectionError:
                # A client that ends may leave with a reset.
                pass

    def answer(self, connection, pending):
        """Reads one request and answers it: what was read beyond it, None at the end of the connection."""
        while b"\r\n\r\n" not in pending:
            read = connection.recv(65536)
            if not read:
                return None
            pending += read
        head, _, rest = pending.partition(b"\r\n\r\n")
        head = head.lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if not length:
            connection.sendall(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return None
        length = int(length[1])
        buffer = self.buffer(length)
        body = memoryview(buffer)[:length]
        have = min(len(rest), length)
        body[:have] = rest[:have]
        while have < length:
            read = connection.recv_into(body[have:], 0, socket.MSG_WAITALL)
            if not read:
                return None
            have += read
        self.take(head, body)
        if self.delay:
            time.sleep(self.delay)
        connection.sendall(ANSWER)
        return rest[length:]

    def buffer(self, length):
        """Memory for a body: that of one that has been counted, if it is large enough."""
        with self.lock:
            for index in range(len(self.free) - 1, -1, -1):
                if len(self.free[index]) >= length:
                    return self.free.pop(index)
        # Bodies are of about the same size, and each takes that of any other.
        return bytearray(max(length + length // 4, 65536))

    def take(self, head, body):
        signal = head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
        packed = b"\r\ncontent-encoding: gzip" in head
        with self.lock:
            self.bodies.append((signal, packed, body))
            self.kept += len(body)
            full = self.kept > MOST_KEPT
        if full:
            self.count()

    def take_bodies(self):
        """What has come and was not counted yet: signal, body, and its size on the wire. It is not counted any more."""
        with self.lock:
            bodies, self.bodies, self.kept = self.bodies, [], 0
        taken = [(signal, bytes(gzip.decompress(body) if packed else body), len(body)) for signal, packed, body in bodies]
        with self.lock:
            self.free += [body.obj for _, _, body in bodies]
        return taken

    def count(self):
        """What has come so far: `Counts` of `traces`, `logs` and `metrics`."""
        bodies = self.take_bodies()
        with self.counting:
            for signal, body, _ in bodies:
                self.counts[signal].requests += 1
                self.counts[signal].by_service.update(service for service, _ in records(body))
            return self.counts

    def reset(self):
        """Forgets what has come."""
        self.take_bodies()
        self.counting = threading.Lock()
        self.counts = collections.defaultdict(Counts)

    def close(self):
        self.listener.close()
