"""The pages about runs, and a run's own pages under its address."""

import html
import re

import pytest


@pytest.fixture
def two_runs(start, client_of, make, tmp_path):
    """A console with a past run, "before", in which pay is fast, and the one it writes, "after", in which it fails."""

    def send(client, version, milliseconds, code):
        about = {"name": "pay", "kind": 2, "duration_ns": milliseconds * 10**6, "status": {"code": code}}
        spans = [make.span(**about) for _ in range(12)]
        client.send_traces(make.traces(*spans, service="payments", **{"service.version": version}))

    with start(tmp_path / "data", run="before") as running:
        send(client_of(running), "1.0", 10, 0)
    with start(tmp_path / "data", run="after") as running:
        client = client_of(running)
        send(client, "2.0", 100, 2)
        yield client


def _ids(client):
    return {run["name"]: run["id"] for run in client.get("/api/runs").json()["runs"]}


def _links(page):
    return [html.unescape(one) for one in re.findall(r'\shref="([^"]*)"', page)]


def _words(page):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_runs_are_listed_with_their_numbers(two_runs):
    """The list names each run with its services, spans and failed requests, the one being written first."""
    page = two_runs.get("/runs").text
    words = _words(page[page.index("<tbody>") :])
    assert re.search(
        r"after being recorded \S+ \S+ payments 12 0 12 of 12 Export.*before \S+ \S+ payments 12 0 0", words
    )
    assert f"/run/{_ids(two_runs)['before']}/" in _links(page)


def test_a_past_run_has_all_pages_of_its_own(two_runs):
    """Every link on a page of a past run stays in that run, shows all its time, and its read API stands beside it."""
    base = f"/run/{_ids(two_runs)['before']}"
    for path in ("/", "/traces", "/logs", "/metrics", "/map", "/changed"):
        answer = two_runs.get(base + path)
        assert answer.status_code == 200, path
        assert "Run <b>before</b>" in answer.text
        assert "All time" in answer.text
        inside = [
            one for one in _links(answer.text) if one.startswith("/") and not one.startswith(("/static", "/runs"))
        ]
        assert inside
        assert [one for one in inside if not one.startswith(f"{base}/")] == []
    assert "12 in all" in _words(two_runs.get(f"{base}/").text)
    [trace] = two_runs.get(f"{base}/api/search", limit=1).json()["traces"]
    assert two_runs.get(f"{base}/trace/{trace['traceID']}").status_code == 200
    assert two_runs.get(f"/trace/{trace['traceID']}").status_code == 404


def test_two_runs_are_compared_service_by_service(two_runs):
    """Rate, failures and p95 of both stand side by side, and what else differs below them."""
    ids = _ids(two_runs)
    words = _words(two_runs.get("/runs/compare", a=ids["before"], b=ids["after"]).text)
    assert re.search(r"payments \S+/s \S+/s 0 % 100 % 9?1?[\d.]+ ms 1?9?[\d.]+ ms \+[89]\d\d %", words)
    assert re.search(r"service.version 1.0 100 % 0 % 2.0 0 % 100 %", words)
    assert "service.instance.id" not in words


def test_a_comparison_without_runs_asks_for_them(two_runs):
    """Without two known runs the page asks for them."""
    assert "Choose two runs" in two_runs.get("/runs/compare", a="x").text


def test_unknown_runs_are_not_found(two_runs):
    """An address of a run that is not here is answered with 404, whatever it spells."""
    for path in ("/run/none/", "/run//", "/run/..%2f..%2fetc/", "/run/20260101T000000-0000/export"):
        assert two_runs.get(path).status_code == 404
