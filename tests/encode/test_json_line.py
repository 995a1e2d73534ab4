"""Lines of JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from instrumentation.encode import json_line

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_a_value_means_what_json_means(value):
    """A value that JSON can hold reads back as itself."""
    assert json.loads(json_line.value(value)) == value


@given(st.text(), st.text(), st.dictionaries(st.text(), JSON | st.floats() | st.binary(), max_size=4))
def test_a_line_is_one_line_of_ascii(event, logger, attributes):
    """No event, logger or attribute can break out of its line or its string."""
    line = json_line.line(
        1_700_000_000_123_456_789,
        json_line.head("info", event, logger, "svc"),
        json_line.ids(b"\1" * 16, b"\2" * 8, "r-1"),
        json_line.fields(attributes),
    )
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert all(32 <= byte < 127 for byte in line[:-1])
    parsed = json.loads(line)
    assert list(parsed)[:8] == [
        "timestamp",
        "level",
        "event",
        "logger",
        "service.name",
        "trace_id",
        "span_id",
        "request_id",
    ]
    assert (parsed["event"], parsed["logger"]) == (event, logger)
    assert parsed["timestamp"] == "2023-11-14T22:13:20.123456Z"
    assert (parsed["trace_id"], parsed["span_id"]) == ("01" * 16, "02" * 8)


def test_an_attribute_cannot_replace_a_key_of_the_line():
    """An attribute named like a key of the line gets a name of its own."""
    line = json_line.line(0, json_line.head("info", "e", "l", "s"), "", json_line.fields({"level": "fake", "a": 1}))
    parsed = json.loads(line)
    assert (parsed["level"], parsed["attributes.level"], parsed["a"]) == ("info", "fake", 1)


@given(st.integers(0, 2**62), st.floats(0, 1e6))
def test_the_quick_way_gives_the_same_bytes(time_ns, seconds):
    """A span's line made in one step equals the one made of its parts."""
    head, trace_id, span_id = json_line.head("info", "e", "l", "s"), b"\1" * 16, b"\2" * 8
    tail = f'{json_line.fields({"a": 1})}, "seconds": '
    ids = json_line.ids(trace_id, span_id, "r-1")
    end = (trace_id.hex().encode(), span_id.hex().encode(), b"r-1", tail.encode(), seconds)
    time = (json_line.second(time_ns // 1_000_000_000), time_ns % 1_000_000_000 // 1000)
    assert json_line.SPAN_LINE % (*time, head.encode(), *end) == json_line.line(
        time_ns, head, ids, f"{tail}{seconds:.6f}"
    )
