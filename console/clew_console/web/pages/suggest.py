"""What a query can name, for completion: attributes and labels of recent data with their values."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from clew_console.api.reply import json_reply
from clew_console.query.logql import parse_logql
from clew_console.query.traceql import KIND, STATUS
from clew_console.search.logs import find_logs, label_values
from clew_console.search.trace import find_trace
from clew_console.search.traces import find_traces
from clew_console.store.value import Value, python_attributes
from clew_console.web.links import ALL_SERVICES, traceql_attribute
from clew_console.web.page import View

TRACES = 80
LINES = 500
MAX_VALUES = 25
MAX_VALUE_CHARACTERS = 120

_Counts = dict[str, Counter[str]]


def answer(view: View) -> Response:
    """`{"traceql": {name: [values]}, "logql": {"selector": {...}, "line": {...}}}`, the most frequent first."""
    selector = {key: sorted(values)[:MAX_VALUES] for key, values in sorted(label_values(view.directory).items())}
    return json_reply({"traceql": _of_spans(view), "logql": {"selector": selector, "line": _of_lines(view, selector)}})


def _of_spans(view: View) -> dict[str, list[str]]:
    found = _Counts()
    names = Counter[str]()
    traces = find_traces(view.directory, None, view.period.times, TRACES)
    for one in (span for trace in traces for span in find_trace(view.directory, trace.summary.trace_id)):
        names[one.span.name] += 1
        _count(found, "span", python_attributes(one.span.attributes))
        _count(found, "resource", one.resource.attributes)
    fixed = {
        "name": [_literal(name) for name, _ in names.most_common(MAX_VALUES)],
        "status": list(STATUS),
        "kind": list(KIND),
        "duration": ["10ms", "100ms", "1s"],
        "rootName": [],
        "rootServiceName": [],
    }
    return {**fixed, **_most_common(found)}


def _of_lines(view: View, selector: Mapping[str, Any]) -> dict[str, list[str]]:
    found = _Counts()
    for line in find_logs(view.directory, parse_logql(ALL_SERVICES), view.period.times, LINES):
        for key, value in line.labels.items():
            if key not in selector and len(value) <= MAX_VALUE_CHARACTERS:
                found.setdefault(key, Counter())[value] += 1
    return _most_common(found)


def _count(found: _Counts, scope: str, attributes: Mapping[str, Value]) -> None:
    for key, value in attributes.items():
        text = _literal(value)
        if text and len(text) <= MAX_VALUE_CHARACTERS:
            found.setdefault(traceql_attribute(scope, key), Counter())[text] += 1


def _literal(value: Value) -> str:
    """Return the value as a TraceQL literal; "" for one that has none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else ""


def _most_common(found: _Counts) -> dict[str, list[str]]:
    return {key: [value for value, _ in counts.most_common(MAX_VALUES)] for key, counts in sorted(found.items())}
