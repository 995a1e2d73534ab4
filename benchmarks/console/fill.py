"""Send the shop's spans or log records to an OTLP/HTTP address, and say how fast they were taken.

A program of its own, so that its work is not counted as the receiver's: `python -m benchmarks.console.fill URL SPANS`.
"""

import argparse
import http.client
import json
import time
import urllib.parse

from benchmarks.console.generator import groups, logs

KEPT_OF = 20
"""Of so many groups of traces one trace and one order are named, to be asked for."""
EARLIER = 10
"""By how much it comes again sooner than it was told to: what is measured is the receiver, not the pause."""


class Sender:
    """One connection that sends again what was refused for being too much.

    Args:
        url: Where OTLP/HTTP is taken.
    """

    def __init__(self, url: str) -> None:
        self._address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)
        self.refused = 0

    def send(self, path: str, body: bytes) -> None:
        """Send until it is taken; raise on any other refusal than 503 and 429."""
        while True:
            self._connection.request("POST", path, body, {"Content-Type": "application/x-protobuf"})
            response = self._connection.getresponse()
            answer = response.read()
            if response.status == 200:
                return
            if response.status not in {429, 503}:
                raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
            self.refused += 1
            time.sleep(float(response.headers.get("Retry-After", 1)) / EARLIER)


def fill(sender: Sender, count: int, hours: float) -> dict[str, object]:
    """Send spans that lie evenly over the last hours; return what was sent and how long it took."""
    sent, began, trace_ids, orders = 0, 0.0, list[str](), list[str]()
    last_ns = time.time_ns()
    first_ns = last_ns - int(hours * 3600e9)
    for number, group in enumerate(groups(1, first_ns, last_ns, count)):
        began = began or time.monotonic()  # the templates are made before the first group comes
        for body, spans in group.requests:
            sender.send("/v1/traces", body)
            sent += spans
        if number % KEPT_OF == 0:
            trace_ids.append(group.trace_ids[number % 97].hex())
            orders.append(group.orders[number % 89].decode())
    return {
        "sent": sent,
        "began": began,
        "refused": sender.refused,
        "first_ns": first_ns,
        "last_ns": last_ns,
        "trace_ids": trace_ids,
        "orders": orders,
    }


def fill_logs(sender: Sender, count: int) -> dict[str, object]:
    """Send log records, the same hundred requests again and again, as fast as they are taken."""
    sent, now_ns = 0, time.time_ns()
    bodies = [logs(seed, now_ns - seed * 500 * 10**6, 500, [bytes([seed + 1]) * 16]) for seed in range(100)]
    began = time.monotonic()
    while sent < count:
        sender.send("/v1/logs", bodies[sent // 500 % 100])
        sent += 500
    return {"sent": sent, "began": began, "refused": sender.refused}


def main() -> None:
    """Read the arguments, send, print the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--hours", type=float, default=0.01)
    parser.add_argument("--logs", action="store_true")
    arguments = parser.parse_args()
    sender = Sender(arguments.url)
    said = fill_logs(sender, arguments.count) if arguments.logs else fill(sender, arguments.count, arguments.hours)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
