"""Match a decoded span against a TraceQL condition: the exact meaning that the SQL only approaches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.query.compare import matches
from clew_console.query.traceql import Comparison, Condition
from clew_console.store.latency import duration_ns
from clew_console.store.value import Value, python_attributes


@dataclass(frozen=True, slots=True)
class Root:
    """Name and service of a trace's root span; both None when it has not come."""

    name: str | None
    service: str | None


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """All that a condition can ask of one span. `root` is only called by conditions on the root."""

    span: Span
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value]
    root: Callable[[], Root]


def span_facts(span: Span, resource: Mapping[str, Value], root: Callable[[], Root]) -> SpanFacts:
    """Decode what a condition can ask."""
    return SpanFacts(span, python_attributes(span.attributes), resource, root)


def span_matches(condition: Condition | None, facts: SpanFacts) -> bool:
    """Tell whether the span is in the spanset."""
    if condition is None:
        return True
    if isinstance(condition, Comparison):
        return _compares(condition, facts)
    parts = (span_matches(part, facts) for part in condition.parts)
    return all(parts) if condition.operator == "&&" else any(parts)


def _compares(one: Comparison, facts: SpanFacts) -> bool:
    if one.scope == "intrinsic":
        return matches(_intrinsic(one.key, facts), one.operator, one.value)
    in_span = one.scope != "resource" and matches(facts.attributes.get(one.key), one.operator, one.value)
    in_resource = one.scope != "span" and matches(facts.resource.get(one.key), one.operator, one.value)
    return in_span or in_resource


def _intrinsic(key: str, facts: SpanFacts) -> Value:
    if key in {"rootName", "rootServiceName"}:
        root = facts.root()
        return root.name if key == "rootName" else root.service
    if key == "duration":
        return duration_ns(facts.span)
    return facts.span.status.code if key == "status" else getattr(facts.span, key)
