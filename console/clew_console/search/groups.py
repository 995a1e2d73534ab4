"""Spans grouped by one of their attributes."""

from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.query.traceql import KIND, STATUS, Comparison, Condition
from clew_console.search.latency import bucket
from clew_console.search.overview import Red, Tally
from clew_console.search.scan import matches, scan
from clew_console.search.trace import FoundSpan
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.span_rows import duration_ns
from clew_console.store.value import plain_text, python_attributes

MOST_GROUPS = 50

_KIND_NAMES = {number: name for name, number in KIND.items()}
_STATUS_NAMES = {number: name for name, number in STATUS.items()}


@dataclass(frozen=True, slots=True)
class Group:
    """The matching spans with one value; `value` is None for those without the attribute."""

    value: str | None
    total: Red


def trace_groups(
    directory: Directory, condition: Condition | None, when: TimeRange, by: Comparison, limit: int = MOST_GROUPS
) -> list[Group]:
    """Count the matching spans per value of what `by` names on its left side, the most frequent first.

    Args:
        directory: What to read.
        condition: Which spans; None counts all.
        when: When they started.
        by: `parse_left("resource.service.name")`; its operator and value are not looked at.
        limit: How many groups at most.
    """
    tallies = dict[str | None, Tally]()
    for found in scan(directory, when):
        if matches(directory, condition, found):
            tally = tallies.setdefault(_value(by, found), Tally())
            is_error = found.span.status.code == Status.STATUS_CODE_ERROR
            tally.add(1, is_error, {bucket(duration_ns(found.span)): 1})
    groups = [Group(value, tally.red(when.start_ns)) for value, tally in tallies.items()]
    return sorted(groups, key=lambda group: (-group.total.requests, group.value or ""))[:limit]


def _value(by: Comparison, found: FoundSpan) -> str | None:
    if by.scope == "intrinsic":
        return _intrinsic(by.key, found.span)
    attributes = {}
    if by.scope != "span":
        attributes |= found.resource.attributes
    if by.scope != "resource":
        attributes |= python_attributes(found.span.attributes)
    return plain_text(attributes[by.key]) if by.key in attributes else None


def _intrinsic(key: str, span: Span) -> str | None:
    if key == "kind":
        return _KIND_NAMES.get(span.kind, str(span.kind))
    if key == "status":
        return _STATUS_NAMES.get(span.status.code, str(span.status.code))
    return span.name if key == "name" else None
