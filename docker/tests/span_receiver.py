"""Receives spans by OTLP over HTTP, as JSON, and keeps a record of them that survives `kill -9`.

    span_receiver.py PORT FILE

A line of the file is a request that was answered, as a JSON object: the ids of its spans by the
`service.instance.id` of their process. It is written before the answer, so the sender has no success for
a span that is not in the file. What is not of traces is taken and forgotten.
"""

import gzip
import http.server
import json
import os
import sys


def spans_by_instance(request):
    found = {}
    for resource in request.get("resourceSpans", []):
        attributes = resource.get("resource", {}).get("attributes", [])
        values = {one["key"]: one["value"].get("stringValue", "") for one in attributes}
        ids = found.setdefault(values.get("service.instance.id", ""), [])
        for scope in resource.get("scopeSpans", []):
            ids += [span["traceId"] + span["spanId"] for span in scope.get("spans", [])]
    return found


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            line = json.dumps(spans_by_instance(json.loads(body))) + "\n"
            os.write(self.server.record, line.encode())
        self.answer(b"{}")

    def do_GET(self):
        self.answer(b"{}")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def received(file):
    """How many different spans of each process are in the file."""
    ids = {}
    for line in open(file, encoding="utf-8"):
        for instance, more in json.loads(line).items():
            ids.setdefault(instance, set()).update(more)
    return {instance: len(those) for instance, those in ids.items()}


def main():
    port, file = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
    server.record = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    server.serve_forever()


if __name__ == "__main__":
    main()
