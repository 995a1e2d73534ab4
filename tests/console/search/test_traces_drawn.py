"""Dots, groups and what changed are counted over the spans that match."""

import os
import re
import time

import pytest
from clew_console.search import attribute_compare, groups, log_histogram, ranking, scatter
from clew_console.web.pages import traces


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, make, client_of):
    """Ten traces of two spans in two services; those with an odd number fail, and share a voucher in the second."""
    from clew_console.options import Options
    from clew_console.running import RunningConsole

    patience = pytest.MonkeyPatch()  # a busy machine must not make an answer a partial one
    for part in (attribute_compare, groups, log_histogram, ranking, scatter):
        patience.setattr(part, "BUDGET_SECONDS", 60.0)
    options = Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=tmp_path_factory.mktemp("drawn"))
    with RunningConsole(options) as running:
        client = client_of(running)
        for number in range(10):
            trace_id, odd = os.urandom(16), number % 2
            root = make.span(
                trace_id, name="POST /orders", kind=2, status={"code": 2 * odd}, duration_ns=(number + 1) * 10**9
            )
            voucher = {"voucher": "SPRING"} if odd else {"voucher": f"V{number}"}
            child = make.span(trace_id, root.span_id, "charge", attributes={"n": number, **voucher})
            client.send_traces(make.traces(root, service="gateway"))
            client.send_traces(make.traces(child, service="payments"))
        client.wait("/api/search", lambda answer: len(answer.json()["traces"]) == 10, q='{ name = "charge" }')
        yield client
    patience.undo()


def test_dots_are_roots_without_a_query(drawn):
    """Each trace is one dot, the newest first; a query makes its longest matching span the dot; a limit samples."""
    dots = drawn.get("/api/search/scatter").json()["dots"]
    assert [dot["duration_ns"] for dot in dots] == [number * 10**9 for number in range(10, 0, -1)]
    assert {(dot["service"], dot["name"]) for dot in dots} == {("gateway", "POST /orders")}
    failed = drawn.get("/api/search/scatter", q="{ status = error }").json()["dots"]
    assert [(dot["is_error"], dot["duration_ns"]) for dot in failed] == [(True, n * 10**9) for n in (10, 8, 6, 4, 2)]
    sample = drawn.get("/api/search/scatter", q="{ status = error }", limit=3).json()["dots"]
    assert len(sample) == 3
    assert all(dot in failed for dot in sample)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("status", {("unset", 15), ("error", 5)}),
        ("resource.service.name", {("gateway", 10), ("payments", 10)}),
        ("span.voucher", {(None, 10), ("SPRING", 5), *((f"V{number}", 1) for number in range(0, 10, 2))}),
        ("name", {("POST /orders", 10), ("charge", 10)}),
    ],
)
def test_groups_add_up(drawn, by, expected):
    """Every matching span is in exactly one group."""
    found = drawn.get("/api/search/groups", by=by).json()["groups"]
    assert {(group["value"], group["total"]["requests"]) for group in found} == expected


def test_what_failing_traces_share_comes_first(drawn):
    """The attribute that all failing traces have and no other is at the top, though another service has it."""
    found = drawn.get("/api/search/compare", q="{ status = error }").json()
    assert (found["selected"], found["others"]) == (5, 5)
    first = [(one["scope"], one["key"], one["value"]) for one in found["differences"][:2]]
    assert ("span", "voucher", "SPRING") in first
    assert ("intrinsic", "status", "error") in first
    voucher = next(one for one in found["differences"] if one["key"] == "voucher")
    assert (voucher["selected_share"], voucher["others_share"]) == (1.0, 0.0)
    assert not any(one["key"] == "n" for one in found["differences"])


def test_the_list_is_ordered_over_the_whole_time(drawn, monkeypatch):
    """With room for three, the slowest are the slowest of all, and those with most errors have them."""
    monkeypatch.setattr(traces, "LISTED", 3)

    def listed(**parameters):
        page = drawn.get("/traces", **parameters).text
        bars = re.findall(r'<tr data-row( class="failed")? id="t.*?<span class="bar-text">([^<]*)<', page, re.DOTALL)
        return [(bool(failed), duration) for failed, duration in bars]

    assert listed(order="slowest") == [(True, "10 s"), (False, "9 s"), (True, "8 s")]
    assert listed(order="slowest", q="{ duration < 7s && kind = server }")[0] == (True, "6 s")
    assert listed(order="errors") == [(True, "10 s"), (True, "8 s"), (True, "6 s")]
    assert listed(order="errors", q="{ duration < 3s && kind = server }") == [(True, "2 s"), (False, "1 s")]


def test_dots_of_many_blocks_lie_all_over_the_time(drawn, monkeypatch):
    """Where there are more blocks than can be drawn, one of two, four, eight is looked at, the same ones each time."""
    assert [scatter.thinning(blocks) for blocks in (1, 256, 257, 512, 5000)] == [1, 1, 2, 2, 32]
    everything = drawn.get("/api/search/scatter").json()["dots"]
    monkeypatch.setattr(scatter, "MOST_BLOCKS", 1)
    some = drawn.get("/api/search/scatter").json()["dots"]
    assert some == drawn.get("/api/search/scatter").json()["dots"]
    assert all(dot in everything for dot in some)


def test_a_wrong_group_is_explained(drawn):
    """What cannot be grouped by is a 400 that says what can."""
    answer = drawn.get("/api/search/groups", by="span.x = 3")
    assert answer.status_code == 400
    assert "Supported" in answer.json()["error"]


def test_log_lines_are_counted_per_level(drawn, make):
    """The histogram counts each matching line once, in its step and under its level."""
    now_ns = time.time_ns()
    lines = [make.log(f"counted {n}", time_ns=now_ns - n * 10**9, severity_number=9 + 8 * (n % 2)) for n in range(20)]
    drawn.send_logs(make.logs(*lines, service="histogram"))
    query, seconds = '{service_name="histogram"} |= "counted"', now_ns // 10**9
    found = drawn.get("/api/logs/histogram", query=query, start=seconds - 60, end=seconds + 2).json()
    levels = [level for counts in found["counts"] for level in counts.items()]
    assert sum(count for name, count in levels if name == "info") == 10
    assert sum(count for name, count in levels if name == "error") == 10
    assert found["is_complete"]
    assert len(found["counts"]) == found["steps"]["count"]
