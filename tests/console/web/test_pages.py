"""The pages: what they say, and that nothing sent can become markup."""

import os
from urllib.parse import urlencode

import pytest

HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}"""


def test_an_empty_console_says_where_to_send(start, client_of):
    """Before anything has come, every page names the address that waits for OTLP."""
    with start() as running:
        client = client_of(running)
        for path in ("/", "/traces", "/logs", "/metrics", "/map"):
            assert running.addresses.otlp_http in client.get(path).text
        client.http.close()


def test_hostile_text_stays_text(console, make):
    """Service, span, attribute, event, status and log text with markup is shown, never run."""
    event = {"name": HOSTILE, "time_unix_nano": 1}
    span = make.span(
        name=HOSTILE, attributes={HOSTILE: HOSTILE}, events=[event], status={"code": 2, "message": HOSTILE}
    )
    console.send_traces(make.traces(span, service=HOSTILE))
    record = make.log(HOSTILE, trace_id=span.trace_id, span_id=span.span_id, attributes={"a": HOSTILE})
    console.send_logs(make.logs(record, service=HOSTILE))
    query = f"/changed?{urlencode({'q': '{ status = error }'})}"
    trace = f"/trace/{span.trace_id.hex()}"
    for path in ("/", "/traces", "/traces?by=name", trace, f"{trace}/span/{span.span_id.hex()}", "/logs", query):
        page = console.get(path).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "{{7*7}}" in page


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/traces",
        "/logs",
        "/metrics",
        "/map",
        "/changed",
        "/compare",
        "/suggest",
        "/trace/zz",
        "/healthz",
        "/static/console.js",
    ],
)
def test_every_answer_forbids_inline_script_and_framing(console, path):
    """The content policy allows the console's own files only, on every page."""
    policy = console.get(path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_trace_shows_its_spans_nested_with_their_logs(console, make):
    """The waterfall has each span in its parent's place with attributes, events, links and log lines."""
    root = make.span(name="root of all", attributes={"who": "me"})
    link = {"trace_id": os.urandom(16), "span_id": os.urandom(8)}
    child = make.span(root.trace_id, root.span_id, "the child", links=[link], events=[{"name": "a thing happened"}])
    orphan = make.span(root.trace_id, os.urandom(8), "the orphan")
    console.send_traces(make.traces(root, child, orphan))
    console.send_logs(make.logs(make.log(f"line {root.trace_id.hex()}", trace_id=root.trace_id, span_id=child.span_id)))
    page = console.get(f"/trace/{root.trace_id.hex()}").text
    shown = [page.index(text) for text in ("root of all</a>", "the child</a>", "the orphan</a>")]
    assert shown == sorted(shown)
    for text in ("a thing happened", "1 link", "no parent", f"line {root.trace_id.hex()}", "who"):
        assert text in page
    panel = console.get(f"/trace/{root.trace_id.hex()}/span/{child.span_id.hex()}").text
    for text in ("a thing happened", link["trace_id"].hex(), f"line {root.trace_id.hex()}"):
        assert text in panel


def test_spans_that_are_each_others_parents_are_shown(console, make):
    """A cycle of parents, which no sound sender makes, is a page like any other."""
    trace_id, first, second = os.urandom(16), os.urandom(8), os.urandom(8)
    one = make.span(trace_id, second, "ring one", span_id=first)
    console.send_traces(make.traces(one, make.span(trace_id, first, "ring two", span_id=second)))
    page = console.get(f"/trace/{trace_id.hex()}")
    assert page.status_code == 200
    assert page.text.count('<div class="span') == 2


@pytest.mark.parametrize(("path", "name"), [("/traces", "q"), ("/logs", "query"), ("/changed", "q")])
def test_a_wrong_query_is_explained_in_place(console, path, name):
    """The page keeps what was typed and says what is supported."""
    page = console.get(path, **{name: "nonsense <b>"})
    assert page.status_code == 400
    assert "Supported:" in page.text
    assert 'value="nonsense &lt;b&gt;"' in page.text


def test_each_empty_page_says_the_line_that_sends_data(start, client_of):
    """On a fresh console every page names the exact line to send data to it."""
    with start() as running:
        client = client_of(running)
        line = f"OTEL_EXPORTER_OTLP_ENDPOINT={running.addresses.otlp_http} clew run --service-name my-service --"
        for path in ("/", "/traces", "/logs", "/metrics", "/map", "/changed"):
            assert line in client.get(path).text, path


def test_foreign_host_names_are_refused(console):
    """A page that rebinds its name to loopback gets nothing from the pages nor from the receiver."""
    for url in (console.ui, console.otlp):
        assert console.http.get(url, headers={"host": "evil.example:8700"}).status_code == 403
    assert console.http.get(console.ui, headers={"host": "LOCALHOST:1"}).status_code == 200
    assert console.http.get(console.ui, headers={"host": "[::1]:8700"}).status_code == 200
