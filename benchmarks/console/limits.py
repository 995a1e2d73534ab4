"""What happens at the limits: a kill in the midst of ingest, more than can be stored, a full store."""

import http.client
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clew_console.search.scan import scan
from clew_console.search.time_range import MAX_TIME_NS, TimeRange
from clew_console.store.directory import Directory
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.console.generator import Spans
from benchmarks.console.measure import send
from benchmarks.console.server import console, disk_bytes, running

MIB = 1 << 20
CAP_BYTES = 16 * MIB
CAP_SPANS = 1_500_000
"""About three times what fits under the cap."""
LOOK_SECONDS = 0.01
KILL_AFTER_SECONDS = 3.0
FLOOD_SECONDS = 5.0
FLOOD_QUEUE_BYTES = MIB
SENDERS = 4


@dataclass(slots=True)
class Sent:
    """What one sender was told.

    Attributes:
        acknowledged: Requests that were answered 200.
        refused: Answers 503.
        unhelpful: Of these without Retry-After, and all other answers.
    """

    acknowledged: list[bytes] = field(default_factory=list)
    refused: int = 0
    unhelpful: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """Of several kills: spans that were acknowledged, those of them that are gone, and how long a new start takes."""

    kills: int
    acknowledged: int
    lost: int
    restart_seconds: float


@dataclass(frozen=True, slots=True)
class Flood:
    """Four senders that never pause, and a queue of a megabyte."""

    acknowledged: int
    lost: int
    refused_requests: int
    unhelpful_answers: int


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that the directory took under a cap while three times as much came."""

    cap_bytes: int
    largest_bytes: int
    kept_spans: int


def kills(data: Path, times: int) -> Kill:
    """Kill a console in the midst of ingest, several times on the same data; look what is there in the end."""
    sent, restarts = list[Sent](), list[float]()
    for number in range(times):
        server = console(data)
        restarts += [server.start_seconds] if number else []
        with running(server):
            sent += _flooded(server.otlp, KILL_AFTER_SECONDS, then=server.kill)
    with running(console(data)) as server:
        restarts.append(server.start_seconds)
        server.settled(server)
    stored, acknowledged = _stored(data), _acknowledged(sent)
    return Kill(times, len(acknowledged), sum(span not in stored for span in acknowledged), max(restarts))


def flood(data: Path) -> Flood:
    """Send more than is stored in the time; nothing that was acknowledged may be missing."""
    with running(console(data, "--max-queue", str(FLOOD_QUEUE_BYTES))) as server:
        sent = _flooded(server.otlp, FLOOD_SECONDS)
        server.settled(server)
    stored, acknowledged = _stored(data), _acknowledged(sent)
    lost = sum(span not in stored for span in acknowledged)
    refused, unhelpful = (sum(getattr(one, name) for one in sent) for name in ("refused", "unhelpful"))
    return Flood(len(acknowledged), lost, refused, unhelpful)


def cap(data: Path) -> Cap:
    """Fill a store beyond its cap, looking all the time at how large it is."""
    largest, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(LOOK_SECONDS):
            largest[0] = max(largest[0], disk_bytes(data))

    with running(console(data, "--max-size", str(CAP_BYTES))) as server:
        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            send(server, CAP_SPANS)
            server.settled(server)
        finally:
            done.set()
            watcher.join()
    return Cap(CAP_BYTES, largest[0], len(_stored(data)))


def _flooded(url: str, seconds: float, then: Callable[[], None] | None = None) -> list[Sent]:
    """Send by several threads for a while; `then` is called in the midst of it."""
    stop = threading.Event()
    sent = [Sent() for _ in range(SENDERS)]
    threads = [threading.Thread(target=_send, args=(url, number, one, stop)) for number, one in enumerate(sent)]
    for thread in threads:
        thread.start()
    threads[0].join(seconds)
    if then is not None:
        then()
    stop.set()
    for thread in threads:
        thread.join()
    return sent


def _send(url: str, seed: int, sent: Sent, stop: threading.Event) -> None:
    """Send until told to stop, or until nobody listens any more; what is refused is not sent again."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    source = Spans(time.time_ns() * SENDERS + seed)
    while not stop.is_set():
        for body, _ in source.group(time.time_ns(), 10**6).requests:
            try:
                connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 200:
                sent.acknowledged.append(body)
            elif answer.status == 503 and answer.headers.get("Retry-After"):
                sent.refused += 1
            else:
                sent.unhelpful += 1


def _acknowledged(sent: list[Sent]) -> list[bytes]:
    """Return the ids of all spans of acknowledged requests."""
    return [
        span.span_id
        for one in sent
        for body in one.acknowledged
        for span in ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    ]


def _stored(data: Path) -> set[bytes]:
    """Return the ids of all stored spans."""
    directory = Directory(data)
    try:
        hits = scan(directory, None, TimeRange(0, MAX_TIME_NS))
        return {hit.block.span_id(position) for hit in hits for position in hit.positions}
    finally:
        directory.close()
