"""Traces in the shape of Tempo's HTTP API.

Source: https://grafana.com/docs/tempo/latest/api_docs/
"""

from typing import Any

from starlette.requests import Request

from clew_console.api.parameters import ParameterError, limit, range_in_seconds
from clew_console.api.reply import Reply, json_reply
from clew_console.api.trace_json import trace_json
from clew_console.query.traceql import parse_traceql
from clew_console.search.summary import ROOT_MISSING
from clew_console.search.trace import find_trace
from clew_console.search.traces import FoundTrace, MatchedSpan, find_traces
from clew_console.store.directory import Directory

MAX_TRACES = 1000


def trace_by_id(directory: Directory, request: Request) -> Reply:
    """`GET /api/traces/{32 hex}`: 404 when no span of it has come."""
    trace_id = parse_trace_id(request.path_params["trace_id"])
    spans = find_trace(directory, trace_id)
    if not spans:
        return json_reply({"error": f"no span of trace {trace_id.hex()} has come"}, 404)
    return json_reply(trace_json(spans))


def parse_trace_id(text: str) -> bytes:
    """Return the 16 bytes of a trace id.

    Raises:
        ParameterError: it is not 32 hex digits.
    """
    try:
        trace_id = bytes.fromhex(text)
    except ValueError:
        trace_id = b""
    if len(trace_id) != 16 or len(text) != 32:
        raise ParameterError(f"a trace id is 32 hex digits, not {text[:64]!r}")
    return trace_id


def search(directory: Directory, request: Request) -> Reply:
    """`GET /api/search?q&start&end&limit`: times in seconds, all time without them; 20 traces without a limit."""
    parameters = request.query_params
    condition = parse_traceql(parameters.get("q") or "{}")
    found = find_traces(directory, condition, range_in_seconds(parameters), limit(parameters, 20, MAX_TRACES))
    return json_reply({"traces": [_trace(one) for one in found], "metrics": {}})


def _trace(found: FoundTrace) -> dict[str, Any]:
    summary = found.summary
    span_set = {"spans": [_span(span) for span in found.spans], "matched": found.matched}
    return {
        "traceID": summary.trace_id.hex(),
        "rootServiceName": summary.root.service or ROOT_MISSING,
        "rootTraceName": summary.root.name or ROOT_MISSING,
        "startTimeUnixNano": str(summary.start_ns),
        "durationMs": summary.duration_ns // 10**6,
        "spanSet": span_set,
        "spanSets": [span_set],
    }


def _span(span: MatchedSpan) -> dict[str, str]:
    return {
        "spanID": span.span_id.hex(),
        "startTimeUnixNano": str(span.start_ns),
        "durationNanos": str(span.duration_ns),
    }
