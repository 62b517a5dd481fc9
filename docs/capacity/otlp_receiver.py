"""An OTLP receiver over HTTP that counts: requests, spans by service, and bytes as they came and unpacked.

It reads of protobuf what it needs to count: the tags and lengths of
https://protobuf.dev/programming-guides/encoding/ and the field numbers of
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto.
"""

import collections
import gzip
import http.server
import threading


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


def spans(request):
    """The spans of an ExportTraceServiceRequest, each with its service, as undecoded bytes."""
    for resource_spans in children(request, 1):
        service = ""
        for resource in children(resource_spans, 1):
            for attribute in children(resource, 1):
                pair = dict(fields(attribute))
                if pair.get(1) == b"service.name":
                    service = dict(fields(pair[2]))[1].decode()
        for scope_spans in children(resource_spans, 2):
            for span in children(scope_spans, 2):
                yield service, span


class Receiver:
    def __init__(self, keep=False):
        self.lock = threading.Lock()
        self.keep = keep
        self.reset()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(body, self.headers.get("content-encoding"))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def reset(self):
        with self.lock:
            self.requests = self.wire = self.plain = self.span_bytes = self.links = 0
            self.by_service = collections.Counter()
            self.bodies = []

    def take(self, body, encoding):
        plain = gzip.decompress(body) if encoding == "gzip" else body
        with self.lock:
            self.requests += 1
            self.wire += len(body)
            self.plain += len(plain)
            if self.keep:
                self.bodies.append(plain)
            for service, span in spans(plain):
                self.by_service[service] += 1
                self.span_bytes += len(span)
                self.links += len(children(span, 13))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
