"""What the store and the shopper send for their spans, recorded, and sent again to any receiver."""

import http.client
import sys
import tempfile

from measure import ROOMY, complete, environment, shop, store
from otlp_receiver import Receiver, records


def record(program, load):
    """The requests that store and shopper send for the spans of a run, and the number of these spans."""
    receiver = Receiver()
    variables = environment(receiver.url) | ROOMY
    with tempfile.TemporaryDirectory(prefix="recording-") as folder:
        url, role = store(program, f"sqlite:{folder}/store.db", variables, ["--allow-faults"])
        with role:
            _, _, log = shop(program, url, variables, load)
    complete(log)
    complete(role.read_log())
    receiver.close()
    bodies = [body for _, body, _ in receiver.take_bodies()]
    return bodies, sum(1 for body in bodies for _ in records(body))


def replay(bodies, port):
    """Sends requests one after another over one connection. Whoever refuses one ends the script."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request(
            "POST", "/v1/traces", body, {"content-type": "application/x-protobuf"}
        )
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"the receiver of spans answered {answer.status}")
    connection.close()
