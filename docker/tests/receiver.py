"""A Zipkin server, a Jaeger collector and a Jaeger agent that take whatever they are sent."""

import http.server
import socket
import threading


class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()


for port in (9411, 14268):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()

agent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
agent.bind(("127.0.0.1", 6831))
print("ready", flush=True)
while True:
    agent.recv(65_536)
