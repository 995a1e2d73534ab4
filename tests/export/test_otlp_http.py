"""The exporter against a receiver on a real socket."""

import os
import socket
import threading
import time

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from instrumentation.encode.otlp import export_request, resource
from instrumentation.encode.otlp import scope as encoded_scope
from instrumentation.export.otlp_http import OtlpHttpExporter
from instrumentation.settings import Settings
from instrumentation.signals.delivery import DELIVERED, Outcome, Verdict


def body(*names):
    spans = [Span(name=name).SerializeToString() for name in names]
    return export_request(resource({"service.name": "shop"}), {encoded_scope("test"): spans})


@pytest.fixture
def exporter():
    made = []

    def make(receiver, **overrides):
        settings = Settings.from_env({}, **{"endpoint": receiver.url, **overrides})
        made.append(OtlpHttpExporter(settings.traces, "1.2.3"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def soon(seconds=5.0):
    return time.monotonic() + seconds


def test_request(receiver, exporter):
    """A request reaches the signal's path with the kit's User-Agent, the configured headers and an intact body."""
    out = exporter(receiver, headers={"Authorization": "Basic a=="})
    assert out.export(body("a", "b"), soon()) == DELIVERED
    path, headers, request = receiver.requests[0]
    assert path == "/v1/traces"
    assert headers["Content-Type"] == "application/x-protobuf"
    assert headers["Authorization"] == "Basic a=="
    assert headers["User-Agent"] == "OTel-OTLP-Exporter-Python/1.2.3 clew/1.2.3"
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "shop"
    assert receiver.names() == ["a", "b"]


def test_gzip(receiver, exporter):
    """With gzip the body is compressed and says so."""
    assert exporter(receiver, compression="gzip").export(body("a"), soon()) == DELIVERED
    assert receiver.requests[0][1]["Content-Encoding"] == "gzip"
    assert receiver.names() == ["a"]


def test_one_connection(receiver, exporter):
    """Requests share one connection, after failures by status too."""
    receiver.answers = [(200, {}, b""), (400, {}, b"bad"), (503, {}, b"")]
    out = exporter(receiver)
    verdicts = [out.export(body("a"), soon()).verdict for _ in range(4)]
    assert verdicts == [Verdict.DELIVERED, Verdict.FAILED, Verdict.RETRYABLE, Verdict.DELIVERED]
    assert receiver.connections == 1


def test_stale_connection(receiver, exporter):
    """A kept-alive connection that the receiver has closed costs no attempt."""
    receiver.answers = [(200, {}, b""), receiver.hang_up]
    out = exporter(receiver)
    assert out.export(body("a"), soon()) == DELIVERED
    assert out.export(body("b"), soon()) == DELIVERED
    assert receiver.connections == 2


def test_hang_up_on_a_new_connection(receiver, exporter):
    """A new connection that is closed without an answer is a failure to be tried later, not at once."""
    receiver.answers = [receiver.hang_up]
    assert exporter(receiver).export(body("a"), soon()).verdict is Verdict.RETRYABLE
    assert receiver.connections == 1


def test_partial_success(receiver, exporter):
    """What a receiver refuses out of an accepted request is reported, with its words."""
    receiver.answers = [(200, {}, receiver.partly(2, "too old"))]
    assert exporter(receiver).export(body("a", "b", "c"), soon()) == Outcome(Verdict.DELIVERED, 2, None, "too old")


@pytest.mark.parametrize("misbehave", ["freeze", "drip"])
def test_deadline(receiver, exporter, misbehave):
    """A receiver that is silent, or sends a byte now and then, holds the exporter no longer than the deadline."""
    receiver.answers = [getattr(receiver, misbehave)]
    out = exporter(receiver)
    started = time.monotonic()
    outcome = out.export(body("a"), soon(0.3))
    assert outcome.verdict is Verdict.RETRYABLE
    assert "no answer within" in outcome.reason
    assert 0.25 < time.monotonic() - started < 1.5
    assert out.export(body("b"), soon()) == DELIVERED


def test_nobody_listens(receiver, exporter):
    """A refused connection is to be tried again, and the reason names where."""
    receiver.stop()
    outcome = exporter(receiver).export(body("a"), soon())
    assert outcome.verdict is Verdict.RETRYABLE
    assert f"127.0.0.1:{receiver.port}" in outcome.reason


def test_close_breaks_off(receiver, exporter):
    """Closing from another thread ends an attempt under way, and the exporter works again after it."""
    receiver.answers = [receiver.freeze]
    out = exporter(receiver)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(out.export(body("a"), soon(20))))
    thread.start()
    assert receiver.frozen.wait(5)
    out.close()
    thread.join(5)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.RETRYABLE]
    assert out.export(body("b"), soon()) == DELIVERED


def test_redirect_is_refused(receiver, exporter):
    """A redirect is not followed: the records and their headers stay with the configured receiver."""
    receiver.answers = [(307, {"Location": receiver.url + "/elsewhere"}, b"")]
    assert exporter(receiver).export(body("a"), soon()) == Outcome(Verdict.FAILED, reason="HTTP 307")
    assert len(receiver.requests) == 1


def test_long_answer(receiver, exporter):
    """Of an endless answer a bounded part is read, and the connection is not used again."""
    receiver.answers = [(400, {}, b"x" * 300_000)]
    out = exporter(receiver)
    assert out.export(body("a"), soon()).verdict is Verdict.FAILED
    assert out.export(body("b"), soon()) == DELIVERED
    assert receiver.connections == 2


def test_missing_certificate_file(tmp_path):
    """A TLS file that cannot be read is a failed attempt, never an exception."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        settings = Settings.from_env({}, endpoint=url, certificate=str(tmp_path / "none.pem"))
        outcome = OtlpHttpExporter(settings.traces, "1").export(body("a"), soon())
    assert outcome.verdict is Verdict.RETRYABLE
    assert "FileNotFoundError" in outcome.reason


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_child(receiver, exporter):
    """A forked child opens a connection of its own and leaves its parent's usable."""
    out = exporter(receiver)
    assert out.export(body("before"), soon()) == DELIVERED
    pid = os.fork()
    if pid == 0:
        os._exit(0 if out.export(body("child"), soon()) == DELIVERED else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert out.export(body("after"), soon()) == DELIVERED
    assert receiver.connections == 2
    assert receiver.names() == ["before", "child", "after"]
