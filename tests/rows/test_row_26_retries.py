"""Row 26: retries, told by telemetry alone: spans of real requests, and counters."""

import random

import grpc
import grpc.aio
import httpx
import pytest
from opentelemetry.trace import SpanKind, use_span
from shop.gateway.breaker import Breaker
from shop.gateway.dependency import Dependency
from shop.reliability.retry import Policy, Retry

from instrumentation.integrations import grpc as grpc_integration
from instrumentation.integrations import httpx as httpx_integration

CLIENT = 3
CALLS = 200


def is_away(error):
    return isinstance(error, (httpx.TransportError, httpx.HTTPStatusError))


@pytest.fixture
def observed(pattern_kit):
    """The recording kit, with httpx and gRPC observed."""
    undos = [httpx_integration.install(pattern_kit.signals), grpc_integration.install(pattern_kit.signals)]
    yield pattern_kit
    for undo in undos:
        undo()


@pytest.fixture
def served():
    """A client of a shop that is away for so many requests, and then answers."""

    def client(failures):
        answers = iter([503] * failures)
        transport = httpx.MockTransport(lambda _request: httpx.Response(next(answers, 200)))
        return httpx.AsyncClient(transport=transport, base_url="http://shop")

    return client


def quick(**options):
    return Policy(first_delay_seconds=0.001, **options)


async def get(client, _seconds_left):
    answer = await client.get("/products")
    answer.raise_for_status()
    return answer


async def test_each_attempt_is_a_span_with_its_number(observed, served, plain, series_of):
    """Three attempts of one call are three CLIENT spans under one parent; between them an event tells of the pause."""
    retry = Retry("shop", is_away, quick(budget=2.0), random.Random(1))
    parent = observed.signals.tracers.get_tracer("t").start("work", SpanKind.INTERNAL, None)
    with use_span(parent, end_on_exit=True):
        async with served(2) as client:
            answer = await retry.call(lambda left: get(client, left), 5)
    assert answer.status_code == 200
    spans = observed.decoded_spans()
    attempts = [span for span in spans if span.kind == CLIENT]
    assert {span.parent_span_id for span in attempts} == {parent.span_id}
    numbers = [plain(span.attributes).get("http.request.resend_count") for span in attempts]
    assert numbers == [None, 1, 2]
    (work,) = [span for span in spans if span.name == "work"]
    assert [event.name for event in work.events] == ["clew.retry.wait"] * 2
    waits = [plain(event.attributes) for event in work.events]
    assert [each["clew.retry.resend"] for each in waits] == [1, 2]
    assert all(0 <= each["clew.retry.delay"] <= 0.001 * 2**number for number, each in enumerate(waits))
    found = series_of(observed)
    assert found["clew.retry.resends", "shop"] == 2
    assert found["clew.retry.calls", "shop", "succeeded"] == 1


async def test_there_are_never_more_attempts_than_the_cap(observed, served, plain, series_of):
    """A call that always fails is attempted three times, and says that it gave up for that."""
    retry = Retry("shop", is_away, quick(attempts=3, budget=5.0))
    parent = observed.signals.tracers.get_tracer("t").start("work", SpanKind.INTERNAL, None)
    with use_span(parent, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        async with served(100) as client:
            with pytest.raises(httpx.HTTPStatusError):
                await retry.call(lambda left: get(client, left), 5)
    spans = observed.decoded_spans()
    assert sum(span.kind == CLIENT for span in spans) == 3
    (work,) = [span for span in spans if span.name == "work"]
    assert plain(work.attributes)["clew.retry.outcome"] == "attempts"


async def test_in_a_total_outage_calls_are_amplified_by_the_budget_at_most(observed, served, series_of):
    """Attempts over calls, by spans and counters alike, are at most 1 + budget, however many one call may have."""
    retry = Retry("shop", is_away, quick(attempts=10, budget=0.2))
    async with served(10 * CALLS) as client:
        for _ in range(CALLS):
            with pytest.raises(httpx.HTTPStatusError):
                await retry.call(lambda left: get(client, left), 5)
    found = series_of(observed)
    calls = sum(value for (name, *_), value in found.items() if name == "clew.retry.calls")
    attempts = sum(span.kind == CLIENT for span in observed.decoded_spans())
    assert calls == CALLS
    assert attempts == calls + found["clew.retry.resends", "shop"]
    assert calls < attempts <= calls * 1.2
    assert found["clew.retry.calls", "budget", "shop"] > 0


async def test_what_does_not_pass_is_not_tried_again(observed, series_of):
    """An error of the caller's own is raised at once."""
    retry = Retry("shop", is_away)

    async def wrong(_seconds_left):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await retry.call(wrong, 5)
    assert series_of(observed)["clew.retry.calls", "permanent", "shop"] == 1


async def test_each_attempt_hands_on_what_is_left_of_the_deadline(observed, plain, series_of):
    """A gRPC server is told less time with each attempt; when a pause would not fit in, the call gives up."""
    left = []

    async def busy(_request, context):
        left.append(context.time_remaining())
        await context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler("t.T", {"Busy": grpc.unary_unary_rpc_method_handler(busy)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    dependency = Dependency("t", 1.0)
    slow = Policy(attempts=50, first_delay_seconds=0.3, last_delay_seconds=0.3, budget=50, saved=50)
    dependency._retry = Retry("t", lambda error: isinstance(error, grpc.aio.AioRpcError), slow)
    dependency.breaker = Breaker("t", lambda error: False)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await dependency.call(channel.unary_unary("/t.T/Busy"), b"")
    await server.stop(None)
    assert len(left) > 2
    assert 1.5 > left[0] > left[-1] + 0.2  # gRPC rounds what it hands on
    assert series_of(observed)["clew.retry.calls", "deadline", "t"] == 1
    clients = [plain(span.attributes) for span in observed.decoded_spans() if span.kind == CLIENT]
    assert [each.get("clew.rpc.resend_count", 0) for each in clients] == list(range(len(clients)))
    assert len(clients) - len(left) in (0, 1)  # the last one may have had no time to arrive


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_with_a_service_down_the_gateway_s_calls_are_not_amplified_beyond_the_budget(
    gateway, down, metric, eventually, exported
):
    """In the running shop, over all calls it has made: attempts are at most 1.2 for each call."""
    name = {"clew__retry__name": "orders"}
    before = metric("clew.retry.calls", **name)
    with down("orders"):
        for _ in range(60):
            gateway.get("/orders/none")
        eventually(lambda: metric("clew.retry.calls", **name) >= before + 60, 20)
        calls, resends = metric("clew.retry.calls", **name), metric("clew.retry.resends", **name)
    assert resends <= 0.2 * calls
    eventually(lambda: gateway.get("/orders/none").status_code == 404, 30)
