"""The console as a test double: what was sent to it, asked for in the languages it has anyway."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from clew_console.options import Options
from clew_console.query.logql import parse_logql
from clew_console.query.traceql import parse_traceql
from clew_console.running import RunningConsole
from clew_console.search.logs import LogLine, find_logs
from clew_console.search.metrics import find_points
from clew_console.search.scan import scan
from clew_console.search.summary import root_of
from clew_console.search.time_range import TimeRange
from clew_console.search.trace import FoundSpan, found_span
from clew_console.store.value import Value, python_attributes

TIMEOUT_SECONDS = 5.0
MAX_LINES = 10_000
_POLL_SECONDS = 0.02

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came.

    Attributes:
        parent_span_id: "" for a root.
        status: "unset", "ok" or "error".
        resource: The attributes of what emitted it.
        events: Name and attributes of each.
    """

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_span_id: str
    kind: int
    status: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value] = field(repr=False)
    events: Sequence[tuple[str, Mapping[str, Value]]] = field(repr=False)

    @property
    def duration_seconds(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1e9


class ConsoleDouble:
    """A console in this process, on free ports of loopback.

    Each question waits up to five seconds until there is as much as expected, and raises AssertionError with what
    there is instead.

    Args:
        data: An empty directory.
    """

    def __init__(self, data: Path) -> None:
        self._running = RunningConsole(Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=data))
        self.url = self._running.addresses.ui
        self.otlp_url = self._running.addresses.otlp_http
        self.otlp_grpc_url = self._running.addresses.otlp_grpc

    def __enter__(self) -> Self:
        self._running.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.__exit__(*error)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a program send here, metrics each half second."""
        return sending_environment(self.otlp_url)

    def spans(
        self, query: str = "{}", *, at_least: int = 1, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[ReceivedSpan]:
        """Return the spans that match a TraceQL query, in order of their start.

        Raises:
            QueryError: the query is outside of what the console supports.
        """
        condition = parse_traceql(query)
        find = partial(self._find_spans, condition)
        return self._wait(find, at_least, timeout_seconds, f"spans of {query}", partial(self._find_spans, None))

    def logs(
        self, query: str = '{service_name=~".+"}', *, at_least: int = 1, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[LogLine]:
        """Return the log lines that match a LogQL query, the oldest first, at most 10,000.

        Raises:
            QueryError: the query is outside of what the console supports.
        """
        parsed, everything = parse_logql(query), parse_logql('{service_name=~".+"}')
        return self._wait(
            partial(self._find_lines, parsed),
            at_least,
            timeout_seconds,
            f"log lines of {query}",
            partial(self._find_lines, everything),
        )

    def points(self, name: str, *, at_least: int = 1, timeout_seconds: float = TIMEOUT_SECONDS) -> list[dict[str, Any]]:
        """Return the points of a metric, the newest first: attributes, value, count, sum, buckets, exemplars."""
        directory = self._running.directory
        return self._wait(
            lambda: list(find_points(directory, name, None, TimeRange(), MAX_LINES)),
            at_least,
            timeout_seconds,
            f"points of {name}",
            list,
        )

    def _find_spans(self, condition: Any) -> list[ReceivedSpan]:
        directory = self._running.directory
        found = [
            found_span(hit.reader, hit.block, position)
            for hit in scan(directory, condition, TimeRange(), partial(root_of, directory))
            for position in hit.positions
        ]
        return sorted(map(_received, found), key=lambda one: (one.start_ns, one.span_id))

    def _find_lines(self, query: Any) -> list[LogLine]:
        return find_logs(self._running.directory, query, TimeRange(), MAX_LINES, newest_first=False)

    def _wait(
        self, find: Callable[[], list[T]], at_least: int, seconds: float, what: str, others: Callable[[], list[Any]]
    ) -> list[T]:
        deadline = time.monotonic() + seconds
        while len(found := find()) < at_least:
            if time.monotonic() > deadline:
                there = "".join(f"\n  {one}" for one in others()[:20]) or " nothing"
                raise AssertionError(f"{len(found)} {what} within {seconds:g} s, not {at_least}; there is{there}")
            time.sleep(_POLL_SECONDS)
        return found


def sending_environment(otlp_url: str) -> dict[str, str]:
    """Return the variables that make programs send all signals to a console soon."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }


def _received(found: FoundSpan) -> ReceivedSpan:
    span = found.span
    return ReceivedSpan(
        span.name,
        found.resource.service,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        {Status.STATUS_CODE_OK: "ok", Status.STATUS_CODE_ERROR: "error"}.get(span.status.code, "unset"),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        python_attributes(span.attributes),
        found.resource.attributes,
        [(event.name, python_attributes(event.attributes)) for event in span.events],
    )
