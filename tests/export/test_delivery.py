"""Flusher and exporter together, against a receiver on a real socket."""

import time
from functools import partial

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from instrumentation.diagnostics import Diagnostics
from instrumentation.encode.otlp import export_request, resource
from instrumentation.encode.otlp import scope as encoded_scope
from instrumentation.export.otlp_http import OtlpHttpExporter
from instrumentation.pipeline.flusher import Flusher
from instrumentation.pipeline.lane import Route
from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.queue import Budget, RecordQueue
from instrumentation.pipeline.record_lane import RecordLane
from instrumentation.settings import Settings

SCOPE = encoded_scope("test")


class Pipeline:
    """Spans to a receiver, the way set-up composes it."""

    def __init__(self, receiver, **overrides):
        settings = Settings.from_env({}, endpoint=receiver.url, **{"flush_seconds": 0.02, **overrides})
        self.ledger = Ledger()
        self.lines = []
        account = self.ledger.account("traces")
        budget = Budget(settings.max_buffer_bytes)
        self.queue = RecordQueue(account, budget, settings.traces.queue_records)
        diagnostics = Diagnostics(write=self.lines.append)
        encode = partial(export_request, resource({"service.name": "shop"}))
        route = Route("traces", account, OtlpHttpExporter(settings.traces, "1"), encode, settings.traces, diagnostics)
        self.flusher = Flusher([RecordLane(route, self.queue)], budget, self.ledger, diagnostics)

    def add(self, *names):
        for name in names:
            self.queue.add(SCOPE, Span(name=name).SerializeToString())

    def books(self):
        books = self.ledger.snapshot().signals["traces"]
        assert books.accepted == books.delivered + books.queued + sum(books.dropped.values())
        dropped = {reason: count for reason, count in books.dropped.items() if count}
        return books.accepted, books.delivered, books.queued, dropped


@pytest.fixture
def pipeline(receiver):
    made = []

    def make(**overrides):
        made.append(Pipeline(receiver, **overrides))
        return made[-1]

    yield make
    receiver.thaw.set()
    for each in made:
        each.flusher.shutdown(0.2)


def test_records_arrive_by_themselves(receiver, pipeline):
    """Records are sent without a flush, within the interval, in order."""
    p = pipeline()
    p.add("a", "b")
    receiver.wait_for(lambda: p.books() == (2, 2, 0, {}))
    assert receiver.names() == ["a", "b"]


def test_outage_and_recovery(receiver, pipeline):
    """Records of an outage are held and delivered after it, once each and in order, with one line about it."""
    receiver.stop()
    p = pipeline()
    names = [f"s{i}" for i in range(1200)]
    p.add(*names)
    assert not p.flusher.force_flush(0.3)
    assert p.books() == (1200, 0, 1200, {})
    receiver.start()
    assert p.flusher.force_flush(10)
    assert receiver.names() == names
    assert p.books() == (1200, 1200, 0, {})
    assert [b"will be tried again" in line for line in p.lines] == [True]


@pytest.mark.slow
def test_nobody_there_is_not_waited_for_at_the_end(receiver, pipeline):
    """A receiver at whose address nobody listens for a second is given up at the end, and the loss is counted so."""
    receiver.stop()
    p = pipeline()
    p.add("a", "b")
    started = time.monotonic()
    assert not p.flusher.force_flush(60, leaving=True)
    assert 1 <= time.monotonic() - started < 30
    assert p.books() == (2, 0, 2, {})
    started = time.monotonic()
    assert not p.flusher.shutdown(60)
    assert time.monotonic() - started < 30
    assert p.books() == (2, 0, 0, {"shutdown": 2})


def test_somebody_who_comes_back_within_a_second_gets_it_all(receiver, pipeline):
    """A receiver that is started again meanwhile is no loss, even at the end."""
    receiver.stop()
    p = pipeline()
    p.add("a", "b")
    assert not p.flusher.force_flush(0.2, leaving=True)
    receiver.start()
    assert p.flusher.shutdown(60)
    assert p.books() == (2, 2, 0, {})


def test_retry_after_is_kept(receiver, pipeline):
    """A receiver that asks for a second of rest gets it, even if a flush is asked for."""
    receiver.answers = [(503, {"Retry-After": "1"}, b"")]
    p = pipeline()
    p.add("a")
    started = time.monotonic()
    assert p.flusher.force_flush(10)
    assert 0.95 < time.monotonic() - started < 3
    assert p.books() == (1, 1, 0, {})


def test_too_large_is_halved(receiver, pipeline):
    """A batch that is too large is halved until it fits; nothing is lost, doubled or out of order."""
    receiver.max_records = 3
    p = pipeline(flush_seconds=60.0)
    names = [f"s{i}" for i in range(20)]
    p.add(*names)
    assert p.flusher.force_flush(10)
    accepted = [[s.name for ss in r.resource_spans[0].scope_spans for s in ss.spans] for _, _, r in receiver.requests]
    assert [name for group in accepted if len(group) <= 3 for name in group] == names
    assert p.books() == (20, 20, 0, {})


def test_one_record_too_large(receiver, pipeline):
    """A record that is refused as too large by itself is dropped, and counted so."""
    receiver.answers = [(413, {}, b"")]
    p = pipeline()
    p.add("a")
    assert p.flusher.force_flush(10)
    assert p.books() == (1, 0, 0, {"too_big": 1})


def test_partial_success(receiver, pipeline):
    """What the receiver refuses of a batch is counted as rejected, the rest as delivered."""
    receiver.answers = [(200, {}, receiver.partly(2))]
    p = pipeline(flush_seconds=60.0)
    p.add("a", "b", "c")
    assert p.flusher.force_flush(10)
    assert p.books() == (3, 1, 0, {"rejected": 2})


def test_refusal_and_end_of_loss(receiver, pipeline, monkeypatch):
    """A refused batch is dropped and said once; when delivery works again that is said too."""
    monkeypatch.setattr("instrumentation.pipeline.loss.QUIET_SECONDS", 0.0)
    receiver.answers = [(400, {}, b"")]
    p = pipeline(flush_seconds=60.0)
    p.add("a")
    assert p.flusher.force_flush(10)
    p.add("b")
    assert p.flusher.force_flush(10)
    receiver.wait_for(lambda: len(p.lines) == 3)
    assert p.books() == (2, 1, 0, {"rejected": 1})
    assert p.lines == [
        b"clew: traces: refused: HTTP 400\n",
        b"clew: traces: records are being lost (rejected 1)\n",
        b"clew: traces: no more records are lost; lost 1\n",
    ]


def test_retry_time_ends(receiver, pipeline):
    """A batch that is not delivered within the retry time is dropped as timed out."""
    receiver.answers = [(503, {}, b"")] * 50
    p = pipeline(retry_seconds=0.2)
    p.add("a")
    receiver.wait_for(lambda: p.books() == (1, 0, 0, {"timeout": 1}))


def test_frozen_receiver_at_shutdown(receiver, pipeline):
    """A receiver that accepts and never answers holds shutdown no longer than its deadline, and the books close."""
    receiver.answers = [receiver.freeze] * 20
    p = pipeline()
    p.add("a")
    assert receiver.frozen.wait(5)
    p.add("b")
    started = time.monotonic()
    assert not p.flusher.shutdown(1.0)
    assert time.monotonic() - started < 1.5
    assert p.books() == (2, 0, 0, {"shutdown": 2})
    p.add("late")
    assert p.books() == (3, 0, 0, {"shutdown": 3})


def test_thawed_within_the_deadline(receiver, pipeline):
    """An attempt that is stuck when shutdown begins is broken off and made again, so that a well receiver gets all."""
    receiver.answers = [receiver.freeze]
    p = pipeline()
    p.add("a")
    assert receiver.frozen.wait(5)
    p.add("b")
    assert p.flusher.shutdown(4.0)
    assert p.books() == (2, 2, 0, {})
