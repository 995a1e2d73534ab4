"""Send the shop's spans or log records to an OTLP/HTTP address, and say how fast they were taken.

A program of its own, so that its work is not counted as the receiver's: `python fill.py URL SPANS SECONDS_OF_DATA`.
"""

import argparse
import http.client
import json
import time
import urllib.parse

from generator import groups, logs


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
            time.sleep(float(response.headers.get("Retry-After", 1)) / 10)


def fill(arguments: argparse.Namespace) -> dict[str, object]:
    """Send, and return what was sent and how long it took."""
    sender, sent, trace_ids, orders = Sender(arguments.url), 0, [], []
    last_ns = time.time_ns() if not arguments.end else int(arguments.end * 1e9)
    first_ns = last_ns - int(arguments.hours * 3600e9)
    began = time.monotonic()
    for number, group in enumerate(groups(arguments.seed, first_ns, last_ns, arguments.count)):
        for body, count in group.requests:
            sender.send("/v1/traces", body)
            sent += count
        if number % 20 == 0:
            trace_ids.append(group.trace_ids[number % 97].hex())
            orders.append(group.orders[number % 89].decode())
        late = sent / arguments.rate - (time.monotonic() - began) if arguments.rate else 0
        if late > 0:
            time.sleep(late)
    seconds = time.monotonic() - began
    return {
        "sent": sent,
        "seconds": seconds,
        "refused": sender.refused,
        "first_ns": first_ns,
        "last_ns": last_ns,
        "trace_ids": trace_ids[-400:] if len(trace_ids) < 400 else trace_ids[:: len(trace_ids) // 400],
        "orders": orders[:: max(len(orders) // 400, 1)],
    }


def fill_logs(arguments: argparse.Namespace) -> dict[str, object]:
    """Send log records, the same hundred requests again and again, as fast as they are taken."""
    sender, sent, now_ns = Sender(arguments.url), 0, time.time_ns()
    bodies = [logs(seed, now_ns - seed * 500 * 10**6, 500, [bytes([seed + 1]) * 16]) for seed in range(100)]
    began = time.monotonic()
    while sent < arguments.count:
        sender.send("/v1/logs", bodies[sent // 500 % 100])
        sent += 500
        late = sent / arguments.rate - (time.monotonic() - began) if arguments.rate else 0
        if late > 0:
            time.sleep(late)
    return {"sent": sent, "seconds": time.monotonic() - began, "refused": sender.refused}


def main() -> None:
    """Read the arguments, send, print the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--hours", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--end", type=float, default=0.0)
    parser.add_argument("--logs", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(fill_logs(arguments) if arguments.logs else fill(arguments)))


if __name__ == "__main__":
    main()
