"""Requests of Flask, Django and plain WSGI applications, behind real servers."""

import re
import signal
import sys
import urllib.error
import urllib.request

import pytest

PLAIN = """
import sys
from wsgiref.simple_server import make_server
from wsgiref.util import FileWrapper
from instrumentation import instrument, span

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("no good")
    if path == "/list":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"listed"]
    return stream(path, start_response)

def stream(path, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for part in range(3):
        with span("part"):
            yield b"part"
        if path == "/breaks" and part == 1:
            raise RuntimeError("broke")

app = instrument(service_name="plain").wsgi(application)
"""

FLASK = """
import time
from flask import Blueprint, Flask, stream_with_context
from instrumentation import instrument, span

app = Flask(__name__)
instrument(app, service_name="flask")
shop = Blueprint("shop", __name__, url_prefix="/shop/<tenant>")

@shop.get("/orders/<int:number>")
def order(tenant, number):
    with span("work"):
        return f"{tenant} {number}"

app.register_blueprint(shop)

@app.get("/fails")
def fails():
    raise RuntimeError("no good")

@app.get("/stream")
def stream():
    def parts():
        for _ in range(3):
            with span("part"):
                time.sleep(0.02)
            yield "part"
    return stream_with_context(parts())

@app.get("/health")
def health():
    return "ok"
"""

DJANGO = """
import time
import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import include, path
from instrumentation import instrument, span

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False, LOGGING_CONFIG=None)

def order(request, tenant, number):
    with span("work"):
        return HttpResponse(f"{tenant} {number}")

def fails(request):
    raise RuntimeError("no good")

def stream(request):
    def parts():
        for _ in range(3):
            with span("part"):
                time.sleep(0.02)
            yield "part"
    return StreamingHttpResponse(parts())

urlpatterns = [
    path("shop/<tenant>/", include([path("orders/<int:number>", order)])),
    path("fails", fails),
    path("stream", stream),
    path("health", lambda request: HttpResponse("ok")),
]
from django.core.wsgi import get_wsgi_application
app = get_wsgi_application()
instrument(app, service_name="django")
"""

WSGIREF = """
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server
import program
class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
make_server("127.0.0.1", int(sys.argv[1]), program.app, handler_class=Quiet).serve_forever()
"""


@pytest.fixture
def serve_wsgi(run, free_port):
    """Serve a program's `app` with a real WSGI server; returns its process and URL."""

    def start(code, server, **environment):
        port = free_port()
        if server == "gunicorn":
            command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--threads", "2", "program:app"]
        else:
            command = [sys.executable, "-c", WSGIREF, str(port)]
        return run(code, wait=False, command=command, **environment), f"http://127.0.0.1:{port}"

    return start


def ask(url, **headers):
    """Return status, body and headers, whatever the status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode(), answer.headers


def end(process):
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=30)


ROUTES = {
    "flask": (FLASK, "/shop/<tenant>/orders/<int:number>", "/fails", "/stream"),
    "django": (DJANGO, "/shop/<tenant>/orders/<int:number>", "/fails", "/stream"),
}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("framework", "server"), [("flask", "gunicorn"), ("django", "wsgiref")])
def test_requests_of_a_framework(serve_wsgi, fetch, otlp_sink, plain, framework, server):
    """Route templates, the caller's trace, children, a 500 with its exception, a stream's whole length; no probes."""
    code, route, fails, stream = ROUTES[framework]
    process, url = serve_wsgi(code, server)
    fetch(f"{url}/health")
    status, body, headers = ask(f"{url}/shop/t/orders/7", traceparent=TRACEPARENT, **{"x-request-id": "r-1"})
    assert (status, body, headers["x-request-id"]) == (200, "t 7", "r-1")
    assert headers["traceresponse"][3:35] == TRACEPARENT[3:35]
    assert ask(f"{url}{fails}")[0] == 500
    assert ask(f"{url}{stream}")[1] == "part" * 3
    assert ask(f"{url}/nowhere/9")[0] == 404
    page, _ = fetch(f"{url}/metrics", accept="application/openmetrics-text")
    _, err = end(process)
    servers = {plain(span.attributes)["url.path"]: span for span in otlp_sink.records("traces") if span.kind == 2}
    assert {path: span.name for path, span in servers.items()} == {
        "/shop/t/orders/7": f"GET {route}",
        "/fails": f"GET {fails}",
        "/stream": f"GET {stream}",
        "/nowhere/9": "GET",
    }, err
    order = servers["/shop/t/orders/7"]
    assert (order.trace_id.hex(), order.parent_span_id.hex()) == (TRACEPARENT[3:35], TRACEPARENT[36:52])
    attributes = plain(order.attributes)
    assert attributes["http.route"] == route
    assert (attributes["http.response.status_code"], attributes["request_id"]) == (200, "r-1")
    children = {span.span_id: span for span in otlp_sink.records("traces") if span.kind == 1}
    parents = [span.parent_span_id for span in children.values()]
    assert sorted(parents) == sorted([order.span_id, *[servers["/stream"].span_id] * 3])
    assert servers["/stream"].end_time_unix_nano - servers["/stream"].start_time_unix_nano >= 60_000_000
    failed = servers["/fails"]
    assert (failed.status.code, failed.status.message) == (2, "RuntimeError: no good")
    assert [event.name for event in failed.events] == ["exception"]
    assert counts(page) == {(route, "200"): 1, (fails, "500"): 1, ("", "404"): 1}  # nothing of the stream
    assert f'trace_id="{TRACEPARENT[3:35]}"' in page
    assert "health" not in page
    lines = [plain(line.attributes) for line in otlp_sink.records("logs") if "url.path" in plain(line.attributes)]
    assert sorted(line["url.path"] for line in lines) == sorted(servers)
    assert {line["request_id"] for line in lines if line["url.path"] == "/shop/t/orders/7"} == {"r-1"}


def counts(page):
    """Return the durations that were observed, by route and status."""
    found = re.findall(r"^http_server_request_duration_seconds_count\{(.*)\} (\d+)", page, re.MULTILINE)
    series = {tuple(re.findall(r'(\w+)="([^"]*)"', labels)): int(count) for labels, count in found}
    named = {
        (dict(labels).get("http_route", ""), dict(labels)["http_response_status_code"]): n
        for labels, n in series.items()
    }
    return {labels: count for labels, count in named.items() if count}


@pytest.mark.parametrize("server", ["wsgiref", "gunicorn"])
def test_a_plain_application(serve_wsgi, fetch, otlp_sink, plain, server):
    """A list, a generator, an exception before and one within the response: one span each, with its children."""
    process, url = serve_wsgi(PLAIN, server)
    fetch(f"{url}/list")
    assert ask(f"{url}/generator")[1] == "part" * 3
    assert ask(f"{url}/raise")[0] == 500
    try:
        ask(f"{url}/breaks")
    except OSError:
        pass  # how a broken response looks depends on the server
    except Exception as error:
        assert "IncompleteRead" in type(error).__name__  # noqa: PT017
    end(process)
    servers = {plain(span.attributes)["url.path"]: span for span in otlp_sink.records("traces") if span.kind == 2}
    assert {path: span.status.message for path, span in servers.items()} == {
        "/list": "",
        "/generator": "",
        "/raise": "RuntimeError: no good",
        "/breaks": "RuntimeError: broke",
    }
    parents = [span.parent_span_id for span in otlp_sink.records("traces") if span.kind == 1]
    assert sorted(parents) == sorted([*[servers["/generator"].span_id] * 3, *[servers["/breaks"].span_id] * 2])
    assert plain(servers["/raise"].attributes)["http.response.status_code"] == 500


@pytest.mark.parametrize("framework", ROUTES)
def test_applications_that_nobody_hands_over(run, free_port, fetch, otlp_sink, framework):
    """`clew run` instruments an application that knows nothing of the kit, once."""
    code = re.sub(r"(?m)^from instrumentation .*|^instrument\(.*", "", ROUTES[framework][0])
    code = f"from opentelemetry.trace import get_tracer\nspan = get_tracer('t').start_as_current_span\n{code}"
    port = free_port()
    command = [sys.executable, "-m", "instrumentation.cli", "run", "--service-name", "quiet", "--"]
    command += [sys.executable, "-c", WSGIREF, str(port)]
    process = run(code, wait=False, command=command)
    fetch(f"http://127.0.0.1:{port}/shop/t/orders/1")
    otlp_sink.wait_for(lambda: len(otlp_sink.records("traces")) >= 2)  # a span ends after its response
    _, err = end(process)
    assert sorted(span.name for span in otlp_sink.records("traces")) == [
        "GET /shop/<tenant>/orders/<int:number>",
        "work",
    ], err


@pytest.mark.parametrize("framework", ROUTES)
def test_undone_and_done_twice(run, otlp_sink, framework):
    """An application that is handed over twice is observed once; `uninstrument` gives it back."""
    code = f"""{ROUTES[framework][0]}
from wsgiref.util import setup_testing_defaults
def call():
    environ = {{"PATH_INFO": "/shop/t/orders/1"}}
    setup_testing_defaults(environ)
    said = []
    body = app(environ, lambda status, headers, exc_info=None: said.append((status, dict(headers))))
    assert b"".join(body) == b"t 1"
    getattr(body, "close", lambda: None)()
    return said[0]
telemetry = instrument(app)
status, headers = call()
assert status == "200 OK" and "traceresponse" in headers
telemetry.uninstrument()
assert "traceresponse" not in call()[1]
"""
    status, _, err = run(code)
    assert (status, err) == (0, "")
    assert [span.kind for span in otlp_sink.records("traces")] == [1, 2]


DJANGO_ASGI = (
    DJANGO.replace("get_wsgi_application", "get_asgi_application")
    .replace("core.wsgi", "core.asgi")
    .replace(
        """def stream(request):
    def parts():
        for _ in range(3):
            with span("part"):
                time.sleep(0.02)
            yield "part"
""",
        """async def stream(request):
    async def parts():
        for _ in range(3):
            with span("part"):
                await asyncio.sleep(0.02)
            yield "part"
""",
    )
)


@pytest.mark.parametrize("handed_over", [True, False])
def test_django_under_asgi(run, free_port, fetch, otlp_sink, plain, handed_over):
    """Django's ASGI handler tells the same: templates, the caller's trace, a 500 with its exception, a whole stream."""
    code = f"import asyncio\n{DJANGO_ASGI}"
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--lifespan", "off", "--port", str(port), "program:app"]
    if not handed_over:
        code = code.replace('instrument(app, service_name="django")', "")
        command = [sys.executable, "-m", "instrumentation.cli", "run", "--", *command]
    process, url = run(code, wait=False, command=command), f"http://127.0.0.1:{port}"
    fetch(f"{url}/health")
    status, body, headers = ask(f"{url}/shop/t/orders/7", traceparent=TRACEPARENT, **{"x-request-id": "r-1"})
    assert (status, body, headers["x-request-id"]) == (200, "t 7", "r-1")
    assert ask(f"{url}/fails")[0] == 500
    assert ask(f"{url}/stream")[1] == "part" * 3
    assert ask(f"{url}/nowhere/9")[0] == 404
    page, _ = fetch(f"{url}/metrics")
    _, err = end(process)
    servers = {plain(span.attributes)["url.path"]: span for span in otlp_sink.records("traces") if span.kind == 2}
    route = "/shop/<tenant>/orders/<int:number>"
    assert {path: span.name for path, span in servers.items()} == {
        "/shop/t/orders/7": f"GET {route}",
        "/fails": "GET /fails",
        "/stream": "GET /stream",
        "/nowhere/9": "GET",
    }, err
    order, failed, stream = (servers[path] for path in ("/shop/t/orders/7", "/fails", "/stream"))
    assert (order.trace_id.hex(), order.parent_span_id.hex()) == (TRACEPARENT[3:35], TRACEPARENT[36:52])
    assert (failed.status.code, failed.status.message) == (2, "RuntimeError: no good")
    assert [event.name for event in failed.events] == ["exception"]
    parents = [span.parent_span_id for span in otlp_sink.records("traces") if span.kind == 1]
    assert sorted(parents) == sorted([order.span_id, *[stream.span_id] * 3])
    assert counts(page) == {(route, "200"): 1, ("/fails", "500"): 1, ("", "404"): 1}
