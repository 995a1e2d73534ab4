"""A pipeline whose exporter does as the test says."""

import threading
import time

import pytest

from instrumentation.diagnostics import Diagnostics
from instrumentation.pipeline.flusher import Flusher
from instrumentation.pipeline.lane import Route
from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.metric_lane import MetricLane
from instrumentation.pipeline.queue import Budget, RecordQueue
from instrumentation.pipeline.record_lane import RecordLane
from instrumentation.settings import Settings
from instrumentation.signals.delivery import DELIVERED, Outcome, Verdict

RETRY = Outcome(Verdict.RETRYABLE, reason="down")


class Exporter:
    """Answers `outcomes` in turn, then delivers; an exception is raised; `gate` closed means stuck."""

    def __init__(self):
        self.outcomes = []
        self.bodies = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.down = False
        self.context = None

    def export(self, body, deadline):
        assert deadline > time.monotonic() - 0.1
        self.bodies.append(body)
        self.entered.set()
        self.gate.wait(30)
        outcome = RETRY if self.down else self.outcomes.pop(0) if self.outcomes else DELIVERED
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self):
        pass


def encode(groups):
    """Join the records, so that a body can be read by eye."""
    records = [record for group in groups.values() for record in group]
    if b"unencodable" in records:
        raise ValueError("unencodable")
    return b" ".join(records)


class Pipeline:
    def __init__(self, signals=("traces",), collect=None, interval=3600.0, max_bytes=16 << 20, **overrides):
        settings = Settings.from_env({}, **{"flush_seconds": 60.0, **overrides})
        self.ledger, self.budget, self.lines = Ledger(), Budget(max_bytes), []
        self.diagnostics = Diagnostics(write=self.lines.append)
        self.exporters, self.queues, self.lanes = {}, {}, {}
        for signal in (*signals, *(("metrics",) if collect else ())):
            self.exporters[signal] = Exporter()
            account = self.ledger.account(signal)
            route = Route(signal, account, self.exporters[signal], encode, settings.traces, self.diagnostics)
            if signal == "metrics":
                self.lanes[signal] = MetricLane(route, collect, interval)
            else:
                self.queues[signal] = RecordQueue(account, self.budget, settings.traces.queue_records)
                self.lanes[signal] = RecordLane(route, self.queues[signal])
        self.flusher = Flusher(list(self.lanes.values()), self.budget, self.ledger, self.diagnostics)

    def add(self, *records, signal="traces"):
        for record in records:
            self.queues[signal].add(b"scope", record)

    def books(self, signal="traces"):
        books = self.ledger.snapshot().signals[signal]
        assert books.accepted == books.delivered + books.queued + sum(books.dropped.values())
        return books.accepted, books.delivered, books.queued, {r: n for r, n in books.dropped.items() if n}

    def wait_for(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "not within the time"
            time.sleep(0.002)


@pytest.fixture
def make():
    made = []

    def make(**options):
        made.append(Pipeline(**options))
        return made[-1]

    yield make
    for pipeline in made:
        for exporter in pipeline.exporters.values():
            exporter.gate.set()
        pipeline.flusher.shutdown(0.2)
