"""Compile a TraceQL condition to a WHERE clause over one segment.

The clause may select too much, never too little: span attributes are looked up by chunk, roots only in the segment of
the span. `is_exact` tells whether the rows must be matched again (span_match.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from clew_console.query.compare import matches
from clew_console.query.traceql import Comparison, Condition
from clew_console.store.resource import ResourceRow
from clew_console.store.term import key_term, value_term


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL over the table `span AS s` with its parameters."""

    sql: str
    parameters: tuple[object, ...]
    is_exact: bool


ALWAYS = Clause("1", (), is_exact=True)

# value_matches is registered by the reader; it runs once per distinct name, not per span.
_NAMES = "(SELECT id FROM name WHERE value_matches(value, ?, ?))"
_SERVICES = "(SELECT id FROM resource WHERE value_matches(service, ?, ?))"
_ROOT = "(SELECT 1 FROM span r WHERE r.trace_id = s.trace_id AND r.is_root"


def compile_traceql(condition: Condition | None, resources: Sequence[ResourceRow]) -> Clause:
    """Compile the condition for the segment that holds these resources."""
    if condition is None:
        return ALWAYS
    if isinstance(condition, Comparison):
        return _comparison(condition, resources)
    parts = [compile_traceql(part, resources) for part in condition.parts]
    joint = " AND " if condition.operator == "&&" else " OR "
    return Clause(
        f"({joint.join(part.sql for part in parts)})",
        tuple(parameter for part in parts for parameter in part.parameters),
        all(part.is_exact for part in parts),
    )


def _comparison(one: Comparison, resources: Sequence[ResourceRow]) -> Clause:
    if one.scope == "intrinsic":
        return _intrinsic(one)
    by_resource = _resource(one, resources)
    if one.scope == "resource":
        return by_resource
    term = value_term(one.key, one.value) if one.operator == "=" else key_term(one.key)
    by_span = "s.chunk_id IN (SELECT chunk_id FROM term WHERE hash = ?)"
    if one.scope == "span":
        return Clause(by_span, (term,), is_exact=False)
    return Clause(f"({by_span} OR {by_resource.sql})", (term, *by_resource.parameters), is_exact=False)


def _resource(one: Comparison, resources: Sequence[ResourceRow]) -> Clause:
    found = [row.id for row in resources if matches(row.attributes.get(one.key), one.operator, one.value)]
    return Clause("s.resource_id IN (SELECT value FROM json_each(?))", (orjson.dumps(found).decode(),), is_exact=True)


def _intrinsic(one: Comparison) -> Clause:
    if one.key in {"status", "kind"}:
        return Clause(f"s.{one.key} {one.operator} ?", (one.value,), is_exact=True)
    if one.key == "duration":
        return Clause(f"s.duration_ns {one.operator} ?", (one.value,), is_exact=True)
    parameters = (one.operator, one.value)
    if one.key == "name":
        return Clause(f"s.name_id IN {_NAMES}", parameters, is_exact=True)
    chosen = f"r.name_id IN {_NAMES}" if one.key == "rootName" else f"r.resource_id IN {_SERVICES}"
    sql = f"(EXISTS {_ROOT} AND {chosen}) OR NOT EXISTS {_ROOT}))"
    return Clause(sql, parameters, is_exact=False)
