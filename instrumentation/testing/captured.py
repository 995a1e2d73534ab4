"""What a test has captured so far: look things up, and check them."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from instrumentation._setup import Telemetry
from instrumentation.signals.delivery import DELIVERED, Exporter, Outcome
from instrumentation.testing import cardinality, link, records, secret, texts
from instrumentation.testing.clock import Clock
from instrumentation.testing.golden import Golden
from instrumentation.testing.records import Exemplar, LogRecord, Point, Span, Value
from instrumentation.testing.shape import assert_trace, shape_of

SIGNALS = ("traces", "logs", "metrics")
FLUSH_SECONDS = 5.0

RecordT = TypeVar("RecordT", Span, LogRecord, Point)


class Memory:
    """Stands in for the network and stdout: keeps what would have been sent and written.

    Attributes:
        bodies: Export requests by signal.
        written: Bytes of log lines.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {signal: [] for signal in SIGNALS}
        self.written: list[bytes] = []

    def write(self, lines: bytes) -> None:
        """Keep log lines."""
        self.written.append(lines)

    def exporter(self, signal: str) -> Exporter:
        """Return what keeps the requests of a signal."""
        return _MemoryExporter(self.bodies[signal])


class _MemoryExporter:
    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies

    def export(self, body: bytes, deadline: float) -> Outcome:
        self._bodies.append(body)
        return DELIVERED

    def close(self) -> None: ...


class Captured:
    """The telemetry of one test. Each look-up delivers what is queued first, so that nothing is missed.

    Attributes:
        telemetry: The set-up of the test: what `instrument` returns while it lasts.
        clock: The kit's time, which the test may move; None where the real one was asked for.
    """

    def __init__(self, telemetry: Telemetry, memory: Memory, clock: Clock | None, golden: Golden | None = None) -> None:
        self.telemetry = telemetry
        self.clock = clock
        self._memory = memory
        self._golden = golden

    def spans(self, name: str | None = None) -> list[Span]:
        """Return the spans that have ended, those of a name or all, in order of their start."""
        found = records.spans(self._delivered("traces"))
        return sorted((one for one in found if name in (None, one.name)), key=lambda one: one.start_ns)

    def logs(self, event: str | None = None) -> list[LogRecord]:
        """Return the log records, those of an event or all, in order of their time."""
        found = records.logs(self._delivered("logs"))
        return sorted((one for one in found if event in (None, one.event)), key=lambda one: one.time_ns)

    def points(self, name: str | None = None) -> list[Point]:
        """Return the newest points, those of a metric or all. Cumulative since the test began."""
        return [one for one in records.points(self._delivered("metrics")[-1:]) if name in (None, one.name)]

    def lines(self) -> list[str]:
        """Return the log lines that would have gone to stdout, without their line breaks."""
        self.telemetry.flush(FLUSH_SECONDS)
        return b"".join(self._memory.written).decode("utf-8", "replace").splitlines()

    def resource(self) -> dict[str, Value]:
        """Return the attributes of the resource that all signals have; empty before anything was delivered."""
        bodies = self._delivered("metrics")
        return records.resource_attributes(bodies[-1]) if bodies else {}

    def span(self, name: str) -> Span:
        """Return the one span of this name.

        Raises:
            AssertionError: there are none or several; tells what there is.
        """
        return _only(self.spans(), lambda one: one.name == name, f"span {name!r}", lambda one: f"{one.kind} {one.name}")

    def log(self, event: str) -> LogRecord:
        """Return the one log record of this event.

        Raises:
            AssertionError: there are none or several; tells what there is.
        """
        return _only(
            self.logs(), lambda one: one.event == event, f"log {event!r}", lambda one: f"{one.level} {one.event}"
        )

    def point(self, name: str, attributes: Mapping[str, Value] | None = None) -> Point:
        """Return the one point of a metric that has these attributes, among others.

        Raises:
            AssertionError: there are none or several; tells what there is.
        """
        wanted = (attributes or {}).items()
        about = f"point of {name!r}" + (f" with {dict(wanted)}" if attributes else "")
        return _only(
            self.points(),
            lambda one: one.name == name and wanted <= one.attributes.items(),
            about,
            lambda one: f"{one.name} {dict(one.attributes)}",
        )

    def clear(self) -> None:
        """Forget the spans, log records and lines so far; metrics stay, as they are cumulative."""
        self.telemetry.flush(FLUSH_SECONDS)
        for kept in (self._memory.bodies["traces"], self._memory.bodies["logs"], self._memory.written):
            kept.clear()

    def shape(self, *, attributes: Sequence[str] = ()) -> str:
        """Return the shape of all traces so far, as `assert_trace` takes it."""
        return shape_of(self.spans(), attributes=attributes)

    def assert_trace(self, shape: str, *, attributes: Sequence[str] = ()) -> None:
        """Check the shape of all traces so far; see `instrumentation.testing.assert_trace`.

        Raises:
            AssertionError: it is another; tells the difference.
        """
        assert_trace(self.spans(), shape, attributes=attributes)

    def assert_golden(self, name: str = "", *, attributes: Sequence[str] = ()) -> None:
        """Compare the shape of all traces so far with the file of this test; `--clew-update` writes it.

        Args:
            name: Where a test has several files.
            attributes: Keys whose values are part of the shape.

        Raises:
            AssertionError: they differ, or there is no file.
            ValueError: no directory for the files is known, as outside of pytest.
        """
        if self._golden is None:
            raise ValueError("no place for golden shapes is known: give capture(golden=Golden(directory, test))")
        self._golden.compare(self.spans(), name, attributes=attributes)

    def assert_linked(self, log: LogRecord, span: Span, exemplar: Exemplar | Point | None = None) -> None:
        """Check that a log record belongs to a span and an exemplar leads there.

        Raises:
            AssertionError: they are not linked; tells the ids of both sides.
        """
        link.assert_linked(log, span, exemplar)

    def assert_logs_linked(self, *, ignore: Collection[str] = ()) -> None:
        """Check that each log record so far belongs to a captured span, but for those of the loggers in `ignore`.

        Raises:
            AssertionError: some do not; tells each.
        """
        link.assert_logs_linked(self.logs(), self.spans(), ignore=ignore)

    def assert_low_cardinality(self, *, allow: Collection[str] = (), max_series: int = cardinality.MAX_SERIES) -> None:
        """Check that no label varies per request; see `instrumentation.testing.assert_low_cardinality`.

        Raises:
            AssertionError: one does; tells metric, label and value.
        """
        cardinality.assert_low_cardinality(self.points(), self.spans(), allow=allow, max_series=max_series)

    def assert_no_secrets(self, *secrets: str | re.Pattern[str], allow: Collection[str] = ()) -> None:
        """Check all texts of all signals, lines and resource; see `instrumentation.testing.assert_no_secrets`.

        Raises:
            AssertionError: there are secrets; tells where, and not what they are.
        """
        secret.assert_no_secrets(self._texts(), *secrets, allow=allow)

    def _texts(self) -> Iterator[texts.Text]:
        for span in self.spans():
            yield from texts.of_span(span)
        for log in self.logs():
            yield from texts.of_log(log)
        yield from texts.of_points(self.points())
        yield from texts.of_attributes("the resource", self.resource())
        yield from (texts.Text("a line on stdout", "", line) for line in self.lines())

    def _delivered(self, signal: str) -> list[bytes]:
        self.telemetry.flush(FLUSH_SECONDS)
        return list(self._memory.bodies[signal])


def _only(
    found: Sequence[RecordT], matches: Callable[[RecordT], bool], what: str, describe: Callable[[RecordT], str]
) -> RecordT:
    wanted = [one for one in found if matches(one)]
    if len(wanted) == 1:
        return wanted[0]
    there = "".join(f"\n  {text}" for text in dict.fromkeys(map(describe, wanted or found))) or " nothing"
    raise AssertionError(f"{len(wanted) or 'no'} {what}, not one; captured:{there}")
