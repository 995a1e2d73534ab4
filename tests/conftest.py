"""What every test of the kit may use: sinks that keep what they are given, and spans made on them."""

from typing import NamedTuple

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from instrumentation.sampling import sampler
from instrumentation.settings import Settings
from instrumentation.signals.log import LogEmitter
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import SpanSettings, TracerProvider


class Recorded(list):
    """A sink: keeps (scope, record) pairs."""

    def add(self, scope, record):
        self.append((scope, record))


class RecordedLines(list):
    """Takes lines."""

    def write(self, line):
        self.append(line)


class Kit(NamedTuple):
    """The three signals on recording sinks."""

    signals: Signals
    spans: Recorded
    records: Recorded
    lines: RecordedLines

    def decoded_spans(self):
        """Return the ended spans, decoded by the official protobufs."""
        return [SpanMessage.FromString(record) for _, record in self.spans]

    def decoded_logs(self):
        """Return the log records, decoded by the official protobufs."""
        return [LogRecord.FromString(record) for _, record in self.records]


@pytest.fixture
def make_kit():
    """Make the three signals on recording sinks; arguments are fields of Settings."""

    def make(sampler_name="parentbased_always_on", **settings):
        spans, records, lines = Recorded(), Recorded(), RecordedLines()
        provider = TracerProvider()
        provider.target = SpanSettings(spans, sampler(sampler_name))
        logs = LogEmitter("svc", records, lines)
        signals = Signals(Settings.from_env({}, **settings), provider, MetricStore(), logs)
        return Kit(signals, spans, records, lines)

    return make


@pytest.fixture
def kit(make_kit):
    """The three signals on recording sinks, with default settings."""
    return make_kit()


def plain(attributes):
    """Return protobuf KeyValues as a dict of Python values."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


@pytest.fixture(name="plain")
def _plain():
    return plain
