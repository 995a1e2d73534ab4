"""All that is known of one span, for the panel beside the waterfall."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.search.trace import FoundSpan
from clew_console.search.trace_exemplars import TraceExemplar
from clew_console.store.latency import duration_ns
from clew_console.store.value import Value, plain_text, python_attributes
from clew_console.web.links import joined, of_service, quoted, traceql_comparison
from clew_console.web.log_row import LogRow
from clew_console.web.waterfall import KIND_NAMES


@dataclass(frozen=True, slots=True)
class Pair:
    """An attribute with the query that finds spans that have it; "" where no query can."""

    key: str
    value: str
    query: str


@dataclass(frozen=True, slots=True)
class EventView:
    """A span event, its time relative to the span's start."""

    name: str
    after_ns: int
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link to another span."""

    trace_id: str
    span_id: str
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class SpanPanel:
    """The panel's content. `alike` finds spans of the same name and service."""

    span_id: str
    parent_id: str
    name: str
    service: str
    kind: str
    status: str
    status_message: str
    start_ns: int
    after_ns: int
    duration_ns: int
    scope: str
    attributes: list[Pair]
    resource: list[Pair]
    events: list[EventView]
    links: list[LinkView]
    logs: list[LogRow]
    exemplars: list[TraceExemplar]
    alike: str


def span_panel(found: FoundSpan, trace_start_ns: int, logs: list[LogRow], exemplars: list[TraceExemplar]) -> SpanPanel:
    """Gather the panel; logs and exemplars are those of the span."""
    span, service = found.span, found.resource.service
    return SpanPanel(
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name or "(no name)",
        service=service,
        kind=KIND_NAMES.get(span.kind, str(span.kind)),
        status={Status.STATUS_CODE_ERROR: "error", Status.STATUS_CODE_OK: "ok"}.get(span.status.code, "unset"),
        status_message=span.status.message,
        start_ns=span.start_time_unix_nano,
        after_ns=span.start_time_unix_nano - trace_start_ns,
        duration_ns=duration_ns(span),
        scope=f"{found.scope.name} {found.scope.version}".strip(),
        attributes=pairs("span", python_attributes(span.attributes)),
        resource=pairs("resource", found.resource.attributes),
        events=[_event(event, span) for event in span.events],
        links=[_link(link) for link in span.links],
        logs=logs,
        exemplars=exemplars,
        alike=joined(of_service(service), f"name = {quoted(span.name)}"),
    )


def pairs(scope: str, attributes: Mapping[str, Value]) -> list[Pair]:
    """Return the attributes in order of key; without a scope they cannot be searched for."""
    return [
        Pair(key, plain_text(value), joined(comparison) if scope and (comparison := _search(scope, key, value)) else "")
        for key, value in sorted(attributes.items())
    ]


def _search(scope: str, key: str, value: Value) -> str:
    return traceql_comparison(scope, key, value)


def _event(event: Span.Event, span: Span) -> EventView:
    after_ns = event.time_unix_nano - span.start_time_unix_nano
    return EventView(event.name, max(after_ns, 0), pairs("", python_attributes(event.attributes)))


def _link(link: Span.Link) -> LinkView:
    return LinkView(link.trace_id.hex(), link.span_id.hex(), pairs("", python_attributes(link.attributes)))


def by_span(lines: Iterable[LogRow]) -> dict[str, list[LogRow]]:
    """Return the lines by the span they were written in."""
    found = dict[str, list[LogRow]]()
    for line in lines:
        found.setdefault(line.labels.get("span_id", ""), []).append(line)
    return found
