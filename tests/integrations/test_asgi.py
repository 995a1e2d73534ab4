"""Requests of ASGI applications: one SERVER span, one duration, one access line, the route's full template."""

import asyncio
import json

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from instrumentation.integrations import fastapi as fastapi_integration
from instrumentation.integrations.asgi import FASTAPI_MARKS, AsgiMiddleware
from instrumentation.integrations.starlette import RouteIndex, wrap

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SERVER = 2


class NoHooks:
    """A composition without `/metrics`."""

    async def scrape(self, accept, authorization):
        return None

    async def started(self):
        pass

    async def stopping(self):
        pass


@pytest.fixture
def serve(kit):
    """Wrap an application in place and return a client of it."""

    def make(app, used=kit):
        index = RouteIndex(app, fastapi_integration.expand if isinstance(app, FastAPI) else lambda routes: routes)

        def around(inner):
            marks = FASTAPI_MARKS if isinstance(app, FastAPI) else {}
            return AsgiMiddleware(inner, used.signals, NoHooks(), index, marks)

        wrap(app, around)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://shop:8000")

    return make


def durations(kit):
    """Return the points of the request duration: labels and count."""
    for family in kit.signals.metrics.snapshot():
        if family.name == "http.server.request.duration":
            counted = [(dict(point.attributes), sum(point.counts)) for point in family.points]
            return [(labels, count) for labels, count in counted if count]
    return []


def nested_app():
    """An application with every kind of nesting."""
    app = FastAPI()
    inner = APIRouter(prefix="/inner")

    @inner.get("/x/{id}")
    async def read(id: int):  # noqa: A002
        return id

    outer = APIRouter(prefix="/outer/{tenant}")
    outer.include_router(inner)
    app.include_router(outer)
    app.include_router(inner, prefix="/twice")
    sub = FastAPI()
    sub.include_router(inner)
    app.mount("/sub/{name}", sub)

    async def plain_text(_request):
        return PlainTextResponse("ok")

    app.router.routes.append(Mount("/starlette", routes=[Mount("/deep", routes=[Route("/a/{b}", plain_text)])]))

    async def raw(scope, receive, send):
        await PlainTextResponse("raw")(scope, receive, send)

    app.mount("/raw", raw)
    return app


ROUTES = [
    ("/outer/t/inner/x/1", 200, "/outer/{tenant}/inner/x/{id}"),
    ("/twice/inner/x/2", 200, "/twice/inner/x/{id}"),
    ("/sub/n/inner/x/3", 200, "/sub/{name}/inner/x/{id}"),
    ("/starlette/deep/a/b", 200, "/starlette/deep/a/{b}"),
    ("/raw/anything/else", 200, "/raw/{path}"),
    ("/twice/inner/x/none", 422, "/twice/inner/x/{id}"),
    ("/sub/n/none", 404, None),
    ("/starlette/deep/none", 404, None),
    ("/none", 404, None),
]


@pytest.mark.parametrize(("path", "status", "route"), ROUTES)
async def test_the_route_is_the_full_template(kit, serve, plain, path, status, route):
    """Span, metric and access line have the template with all prefixes, or none if no route matched."""
    async with serve(nested_app()) as client:
        assert (await client.get(path)).status_code == status
    (span,) = kit.decoded_spans()
    attributes = plain(span.attributes)
    labels = {"http.request.method": "GET", "http.response.status_code": status, "url.scheme": "http"}
    if route is not None:
        labels["http.route"] = route
    assert attributes == labels | {
        "url.path": path,
        "request_id": attributes["request_id"],
        "server.address": "shop",
        "server.port": 8000,
        "user_agent.original": f"python-httpx/{httpx.__version__}",
    }
    assert (span.name, span.kind) == (f"GET {route}" if route else "GET", SERVER)
    assert durations(kit) == [(labels, 1)]
    (line,) = map(json.loads, kit.lines)
    assert line["event"] == f"GET {route or 'unmatched'} {status}"
    assert line["url.path"] == path
    (record,) = kit.decoded_logs()
    assert plain(record.attributes)["url.path"] == path


async def test_a_thousand_ids_are_one_series(kit, serve):
    """1000 requests on 1000 ids are one series, and unmatched paths are one."""
    async with serve(nested_app()) as client:
        for number in range(1000):
            await client.get(f"/twice/inner/x/{number}")
            await client.get(f"/none/{number}")
    assert sorted((labels.get("http.route", ""), count) for labels, count in durations(kit)) == [
        ("", 1000),
        ("/twice/inner/x/{id}", 1000),
    ]
    assert len(kit.spans) == 2000


async def test_a_stranger_cannot_add_series_by_method(kit, serve, plain):
    """Methods that are not known are one, `_OTHER`; the span says which it was."""
    async with serve(nested_app()) as client:
        for number in range(20):
            await client.request(f"HACK{number}", "/none")
    assert [labels["http.request.method"] for labels, _ in durations(kit)] == ["_OTHER"]
    assert plain(kit.decoded_spans()[3].attributes)["http.request.method_original"] == "HACK3"
    assert kit.decoded_spans()[3].name == "HTTP"


async def test_the_caller_is_continued(kit, serve):
    """Trace and request ID that the caller sent are continued, and told to it in the response."""
    async with serve(nested_app()) as client:
        headers = {"traceparent": TRACEPARENT, "tracestate": "v=1", "X-Request-ID": "r-1"}
        response = await client.get("/twice/inner/x/1", headers=headers)
    (span,) = kit.decoded_spans()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACEPARENT[3:35], TRACEPARENT[36:52])
    assert span.trace_state == "v=1"
    assert response.headers["x-request-id"] == "r-1"
    assert response.headers["traceresponse"] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    (line,) = map(json.loads, kit.lines)
    assert (line["trace_id"], line["span_id"], line["request_id"]) == (span.trace_id.hex(), span.span_id.hex(), "r-1")


@pytest.mark.parametrize("sent", ["a\r\nb", "x" * 10_000, "ä", ""])
async def test_a_hostile_request_id_is_replaced(kit, serve, sent):
    """A request ID that is not safe to log or pass on is replaced by a new one."""
    async with serve(nested_app()) as client:
        response = await client.get("/none", headers=[(b"x-request-id", sent.encode())])
    made = response.headers["x-request-id"]
    assert len(made) == 32
    assert json.loads(kit.lines[0])["request_id"] == made


@pytest.mark.parametrize(("trust", "links"), [("link", [TRACEPARENT[3:35]]), ("ignore", [])])
async def test_trust_decides_what_a_caller_may_do(make_kit, serve, trust, links):
    """An untrusted caller's trace is linked or ignored, not continued."""
    kit = make_kit(trust=trust)
    async with serve(nested_app(), kit) as client:
        await client.get("/none", headers={"traceparent": TRACEPARENT, "baggage": "tenant=x"})
    (span,) = kit.decoded_spans()
    assert span.trace_id.hex() != TRACEPARENT[3:35]
    assert span.parent_span_id == b""
    assert [link.trace_id.hex() for link in span.links] == links


async def test_no_query_string_anywhere(kit, serve):
    """The query, where secrets travel, is in no span, log record or line."""
    async with serve(nested_app()) as client:
        await client.get("/twice/inner/x/1?token=s3cret", headers={"authorization": "Bearer s3cret"})
    assert not [record for record in (*kit.spans, *kit.records) if b"s3cret" in record[1]]
    assert b"s3cret" not in kit.lines[0]


async def test_a_failure_is_on_the_span(kit, serve, plain):
    """An exception of a handler is answered with 500 by the application and is on the span and the access line."""
    app = FastAPI()

    @app.get("/boom")
    async def boom():
        raise RuntimeError("no good")

    async with serve(app) as client:
        assert (await client.get("/boom")).status_code == 500
    (span,) = kit.decoded_spans()
    attributes = plain(span.attributes)
    assert (attributes["http.response.status_code"], attributes["error.type"]) == (500, "500")
    assert span.status.code == 2
    assert [plain(event.attributes)["exception.message"] for event in span.events] == ["no good"]
    assert json.loads(kit.lines[0])["level"] == "error"
    assert [labels["http.response.status_code"] for labels, _ in durations(kit)] == [500]


async def test_a_client_error_is_no_failure(kit, serve):
    """4xx is not the server's error."""
    async with serve(nested_app()) as client:
        await client.get("/none")
    assert kit.decoded_spans()[0].status.code == 0


async def test_probes_are_not_observed(kit, serve):
    """Health checks are in neither traces nor metrics nor logs, nor is what they call."""
    app = FastAPI()

    @app.get("/health/ready")
    async def ready():
        with kit.signals.tracers.get_tracer("t").start_as_current_span("check"):
            return "ok"

    async with serve(app) as client:
        for _ in range(50):
            assert (await client.get("/health/ready")).status_code == 200
    assert (kit.spans, kit.records, kit.lines, durations(kit)) == ([], [], [], [])


async def test_streams_are_not_in_the_latency_histogram(kit, serve):
    """A stream has a span and an access line, but its length is no latency."""
    app = FastAPI()

    @app.get("/stream")
    async def stream():
        async def parts():
            yield b"a"
            yield b"b"

        return StreamingResponse(parts())

    async with serve(app) as client:
        assert (await client.get("/stream")).content == b"ab"
    assert len(kit.spans) == len(kit.lines) == 1
    assert durations(kit) == []


async def test_a_response_through_base_http_middleware_is_no_stream(kit, serve):
    """BaseHTTPMiddleware sends every response in parts; those with a length are still observed."""

    async def pass_on(request, call_next):
        return await call_next(request)

    async def plain_text(_request):
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/a/{b}", plain_text)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)])
    async with serve(app) as client:
        await client.get("/a/1")
    assert [(labels["http.route"], count) for labels, count in durations(kit)] == [("/a/{b}", 1)]


async def test_background_tasks_are_not_part_of_the_duration(kit, serve):
    """A background task runs in the request's trace after its span has ended with the response."""
    app = FastAPI()
    release = asyncio.Event()
    tracer = kit.signals.tracers.get_tracer("t")

    async def later():
        await release.wait()
        with tracer.start_as_current_span("later"):
            pass

    @app.get("/a")
    async def handler(tasks: BackgroundTasks):
        tasks.add_task(later)
        return "ok"

    async with serve(app) as client:
        request = asyncio.create_task(client.get("/a"))
        while not kit.spans:  # noqa: ASYNC110 the sink is a list: it has no event to wait for
            await asyncio.sleep(0)
        release.set()
        await request
    first, second = kit.decoded_spans()
    assert (first.name, second.name) == ("GET /a", "later")
    assert second.parent_span_id == first.span_id
    assert second.trace_id == first.trace_id


async def test_the_service_s_own_attribute_wins(kit, serve, plain):
    """An attribute that a handler sets on the current span replaces ours, and stands there once."""
    app = FastAPI()

    @app.get("/a")
    async def handler():
        trace.get_current_span().set_attributes({"http.route": "/mine", "customer": "c-1"})
        return "ok"

    async with serve(app) as client:
        await client.get("/a")
    (span,) = kit.decoded_spans()
    keys = [item.key for item in span.attributes]
    assert len(keys) == len(set(keys))
    assert (plain(span.attributes)["http.route"], plain(span.attributes)["customer"]) == ("/mine", "c-1")


async def test_concurrent_requests_keep_their_traces_apart(kit, serve):
    """100 requests at once, each with its own traceparent: every span carries exactly its own."""
    async with serve(nested_app()) as client:
        sent = [f"{number:032x}" for number in range(1, 101)]
        calls = [client.get("/twice/inner/x/1", headers={"traceparent": f"00-{id_}-{'1' * 16}-01"}) for id_ in sent]
        responses = await asyncio.gather(*calls)
    assert [response.headers["traceresponse"][3:35] for response in responses] == sent
    assert sorted(span.trace_id.hex() for span in kit.decoded_spans()) == sent


async def test_routes_added_while_serving_are_found(kit, serve, plain):
    """A route that is added after the first request has its template too."""
    app = FastAPI()
    async with serve(app) as client:
        await client.get("/late/1")

        @app.get("/late/{id}")
        async def late(id: int):  # noqa: A002
            return id

        await client.get("/late/1")
    assert [plain(span.attributes).get("http.route") for span in kit.decoded_spans()] == [None, "/late/{id}"]
