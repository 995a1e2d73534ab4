"""Compile a log query to a WHERE clause over one segment."""

from collections.abc import Sequence

import orjson

from clew_console.query.logql import LineFilter, LogQuery, Matcher
from clew_console.query.traceql_sql import Clause
from clew_console.store.resource import ResourceRow

_IDS = {"trace_id": 16, "span_id": 8}
_LINE_SQL = {
    "|=": "instr(l.body, ?) > 0",
    "!=": "instr(l.body, ?) = 0",
    "|~": "line_matches(l.body, ?)",
    "!~": "NOT line_matches(l.body, ?)",
}


def compile_logql(query: LogQuery, resources: Sequence[ResourceRow]) -> Clause:
    """Compile the query for the segment that holds these resources. The clause is exact."""
    chosen = [row for row in resources if all(one.matches(row.labels().get(one.label, "")) for one in query.selector)]
    clauses = [_among(chosen)]
    clauses += [_line(one) if isinstance(one, LineFilter) else _label(one, chosen) for one in query.filters]
    return Clause(
        " AND ".join(clause.sql for clause in clauses),
        tuple(parameter for clause in clauses for parameter in clause.parameters),
        is_exact=True,
    )


def _among(chosen: Sequence[ResourceRow]) -> Clause:
    ids = orjson.dumps([row.id for row in chosen]).decode()
    return Clause("l.resource_id IN (SELECT value FROM json_each(?))", (ids,), is_exact=True)


def _line(one: LineFilter) -> Clause:
    if not one.value and one.operator in {"|=", "!="}:
        return Clause("1" if one.operator == "|=" else "0", (), is_exact=True)
    return Clause(_LINE_SQL[one.operator], (one.value,), is_exact=True)


def _label(one: Matcher, resources: Sequence[ResourceRow]) -> Clause:
    if one.label in _IDS:
        return _identity(one)
    if one.label == "detected_level":
        return _text("l.level", one)
    if one.label == "request_id" and one.operator == "=" and one.value:
        return Clause("l.request_id = ?", (one.value,), is_exact=True)
    return _metadata(one, resources)


def _identity(one: Matcher) -> Clause:
    """Compare an id as bytes when that is possible, because only then its index serves."""
    if one.operator == "=" and len(one.value) == 2 * _IDS[one.label]:
        try:
            return Clause(f"l.{one.label} = ?", (bytes.fromhex(one.value),), is_exact=True)
        except ValueError:
            return Clause("0", (), is_exact=True)
    return _text(f"lower(hex(coalesce(l.{one.label}, x'')))", one)


def _text(expression: str, one: Matcher) -> Clause:
    if one.operator in {"=", "!="}:
        return Clause(f"{expression} {one.operator} ?", (one.value,), is_exact=True)
    return Clause(f"label_matches({expression}, ?, ?)", (one.operator, one.value), is_exact=True)


def _metadata(one: Matcher, resources: Sequence[ResourceRow]) -> Clause:
    """Compare the record's own attribute where it has one, else the resource's label."""
    path = f'$."{one.label}"'
    own = _text("json_extract(l.attributes, ?)", one)
    passing = _among([row for row in resources if one.matches(row.labels().get(one.label, ""))])
    sql = f"CASE WHEN json_type(l.attributes, ?) IS NOT NULL THEN {own.sql} ELSE {passing.sql} END"
    return Clause(sql, (path, path, *own.parameters, *passing.parameters), is_exact=True)
