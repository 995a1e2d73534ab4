"""The critical path: at each moment the span that the end was waiting for."""

from types import SimpleNamespace

import pytest
from clew_console.web.critical_path import critical_path
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SECOND = 10**9


def spans(*rows):
    """Return found spans of (id, parent, start, end) in seconds."""
    return [
        SimpleNamespace(
            span=Span(
                span_id=name.encode(),
                parent_span_id=parent.encode(),
                start_time_unix_nano=start * SECOND,
                end_time_unix_nano=end * SECOND,
            )
        )
        for name, parent, start, end in rows
    ]


def path(*rows):
    """Return the path's segments as (id, start, end), the earliest first."""
    found = critical_path(spans(*rows))
    return [(one.span_id.decode(), one.start_ns // SECOND, one.end_ns // SECOND) for one in reversed(found)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([("a", "", 0, 9)], [("a", 0, 9)], id="one span"),
        pytest.param(
            [("a", "", 0, 9), ("b", "a", 2, 5)], [("a", 0, 2), ("b", 2, 5), ("a", 5, 9)], id="a child is waited for"
        ),
        pytest.param(
            [("a", "", 0, 9), ("b", "a", 1, 8), ("c", "a", 2, 5)],
            [("a", 0, 1), ("b", 1, 8), ("a", 8, 9)],
            id="of two at once the later to end",
        ),
        pytest.param(
            [("a", "", 0, 2), ("b", "a", 5, 6)],
            [("a", 0, 2), ("b", 5, 6)],
            id="across a queue, the wait in nobody's name",
        ),
        pytest.param(
            [("a", "b", 0, 4), ("b", "a", 1, 3)], [("a", 0, 1), ("b", 1, 3), ("a", 3, 4)], id="a circle of parents ends"
        ),
    ],
)
def test_the_path_is_what_the_end_waited_for(rows, expected):
    """Segments do not overlap, follow children that ended last, and cross from a consumer to its producer."""
    assert path(*rows) == expected
