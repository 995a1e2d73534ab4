"""The walk: metric, exemplar, trace, logs, back to the trace, and its metrics; each hop by what the one before said."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from instrumentation.backend import UnansweredError
from instrumentation.doctor.report import Finding, Hop
from instrumentation.doctor.request import SERVICE, Marked

POLL_SECONDS = 0.25
Found = TypeVar("Found")


class FoundSpan(NamedTuple):
    """A stored span: hexadecimal id, service, attributes."""

    span_id: str
    service: str
    attributes: Mapping[str, Any]


class Target(Protocol):
    """Where signals end up. Each question returns something falsy while nothing has arrived.

    All raise UnansweredError if the backend does not answer.
    """

    def series(self, marked: Marked) -> Mapping[str, str] | None:
        """Return the labels of the series that counted the request."""
        ...

    def exemplar(self, marked: Marked) -> str:
        """Return the trace id of the exemplar of its latency."""
        ...

    def spans(self, marked: Marked) -> Sequence[FoundSpan]:
        """Return the spans of its trace, by id."""
        ...

    def lines(self, marked: Marked) -> Sequence[Mapping[str, str]]:
        """Return the labels of its log lines, found as the link from a trace finds them."""
        ...

    def counted(self, span: FoundSpan) -> float:
        """Return how many requests the metrics of a span's service have, found as the link from a trace finds them."""
        ...

    def why(self, hop: str, marked: Marked) -> Finding | None:
        """Find the cause of a broken hop."""
        ...


def walk(target: Target, marked: Marked, timeout_seconds: float) -> Iterator[Hop]:
    """Follow the links; end after the first broken hop.

    Args:
        target: Where the signals end up.
        marked: The request that was sent.
        timeout_seconds: How long each hop may take to appear.
    """
    hops: list[tuple[str, Callable[[], str]]] = [
        ("metric", lambda: _metric(target.series(marked))),
        ("exemplar", lambda: target.exemplar(marked) and f"its latency names trace {marked.trace_id}"),
        ("trace", lambda: _trace(target.spans(marked))),
        ("logs", lambda: _logs(target.lines(marked))),
        ("back", lambda: _back(target, marked)),
        ("metrics", lambda: _metrics(target, marked)),
    ]
    for name, follow in hops:
        try:
            said = _until(follow, timeout_seconds)
        except UnansweredError as error:
            cause = target.why(name, marked) if error.status else None
            yield Hop(name, str(error), (cause or unanswered(error),))
            return
        if not said:
            missing = f"nothing within {timeout_seconds:g} s"
            yield Hop(name, missing, (target.why(name, marked) or _unknown(name),))
            return
        yield Hop(name, said)


def unanswered(error: UnansweredError) -> Finding:
    """Return the finding for a backend that does not answer."""
    fix = "start it, or name where it is: see `clew doctor --help` for the option"
    return Finding("backend-unreachable", str(error), fix)


def _unknown(hop: str) -> Finding:
    return Finding(f"{hop}-missing", "every setting that was looked at is as it should be", "see docs/doctor.md")


def _until(follow: Callable[[], Found], seconds: float) -> Found:
    deadline = time.monotonic() + seconds
    while not (found := follow()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found


def _metric(labels: Mapping[str, str] | None) -> str:
    return f"the request is counted, under service_name={labels['service_name']}" if labels else ""


def _trace(spans: Sequence[FoundSpan]) -> str:
    return f"{len(spans)} span of {SERVICE}" if any(span.service == SERVICE for span in spans) else ""


def _logs(lines: Sequence[Mapping[str, str]]) -> str:
    return f"{len(lines)} log lines of the trace" if lines else ""


def _back(target: Target, marked: Marked) -> str:
    known = {span.span_id for span in target.spans(marked)}
    ids = {(line.get("trace_id"), line.get("span_id")) for line in target.lines(marked)}
    holds = all(trace_id == marked.trace_id and span_id in known for trace_id, span_id in ids)
    return "each line names a span of the trace" if ids and holds else ""


def _metrics(target: Target, marked: Marked) -> str:
    counts = [target.counted(span) for span in target.spans(marked) if span.service == SERVICE]
    return f"{sum(counts):g} request counted by the span's attributes" if any(counts) else ""
