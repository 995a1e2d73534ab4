"""The gRPC exporter against a real gRPC server."""

import threading
import time

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from instrumentation.encode.otlp import export_request, resource
from instrumentation.encode.otlp import scope as encoded_scope
from instrumentation.export.grpc_status import judge
from instrumentation.export.otlp_grpc import OtlpGrpcExporter, target_of
from instrumentation.settings import Settings
from instrumentation.signals.delivery import DELIVERED, Outcome, Verdict


def body(*names, size=0):
    spans = [Span(name=name, trace_state="x" * size).SerializeToString() for name in names]
    return export_request(resource({"service.name": "shop"}), {encoded_scope("test"): spans})


@pytest.fixture
def exporter():
    made = []

    def make(receiver, signal="traces", **overrides):
        settings = Settings.from_env({}, protocol="grpc", **{"endpoint": receiver.url, **overrides})
        made.append(OtlpGrpcExporter(signal, getattr(settings, signal), "1.2.3"))
        return made[-1]

    yield make
    for each in made:
        each.close()


def soon(seconds=10.0):
    return time.monotonic() + seconds


def abort(code, details="", **trailing):
    """Answer with a status and trailing metadata, the names with dashes."""

    def answer(context):
        context.set_trailing_metadata([(name.replace("_", "-"), value) for name, value in trailing.items()])
        context.abort(code, details)

    return answer


def retry_info(seconds):
    nanos = round((seconds - int(seconds)) * 1e9)
    detail = Any()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=int(seconds), nanos=nanos)))
    return Status(code=8, message="slow down", details=[Any(type_url="type.x/other"), detail]).SerializeToString()


def test_request(grpc_receiver, exporter):
    """Every signal reaches its service with the kit's user agent and the configured headers, and an intact body."""
    for signal in ("traces", "logs", "metrics"):
        out = exporter(grpc_receiver, signal, headers={"Authorization": "Basic a==", "raw-bin": "x"})
        assert out.export(body("a") if signal == "traces" else b"", soon()) == DELIVERED
    assert [type(request).__name__ for _, request in grpc_receiver.requests] == [
        "ExportTraceServiceRequest",
        "ExportLogsServiceRequest",
        "ExportMetricsServiceRequest",
    ]
    metadata, request = grpc_receiver.requests[0]
    assert (metadata["authorization"], metadata["raw-bin"]) == ("Basic a==", b"x")
    assert metadata["user-agent"].startswith("OTel-OTLP-Exporter-Python/1.2.3 clew/1.2.3 ")
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "shop"
    assert grpc_receiver.names() == ["a"]


def test_gzip(grpc_receiver, exporter):
    """With gzip the message is compressed on the wire."""
    assert exporter(grpc_receiver, compression="gzip").export(body("a", size=4000), soon()) == DELIVERED
    assert grpc_receiver.names() == ["a"]
    sent = []
    with _counting_proxy(grpc_receiver.port, sent) as port:
        for compression in ("none", "gzip"):
            out = exporter(grpc_receiver, endpoint=f"http://127.0.0.1:{port}", compression=compression)
            before = sum(sent)
            assert out.export(body("b", size=100_000), soon()) == DELIVERED
            assert (sum(sent) - before < 20_000) == (compression == "gzip")


def test_one_connection(grpc_receiver, exporter):
    """Requests share one connection, after failures by status too."""
    grpc_receiver.answers = [lambda _: b"", abort(grpc.StatusCode.INVALID_ARGUMENT), abort(grpc.StatusCode.ABORTED)]
    out = exporter(grpc_receiver)
    verdicts = [out.export(body("a"), soon()).verdict for _ in range(4)]
    assert verdicts == [Verdict.DELIVERED, Verdict.FAILED, Verdict.RETRYABLE, Verdict.DELIVERED]
    assert len(grpc_receiver.peers) == 1


def test_partial_success(grpc_receiver, exporter):
    """What a receiver refuses out of an accepted request is reported, with its words."""
    success = ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
    grpc_receiver.answers = [lambda _: ExportTraceServiceResponse(partial_success=success).SerializeToString()]
    assert exporter(grpc_receiver).export(body("a", "b", "c"), soon()) == Outcome(Verdict.DELIVERED, 2, None, "too old")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        *((code, True) for code in ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE")),
        ("DATA_LOSS", True),
        *((code, False) for code in ("UNKNOWN", "INVALID_ARGUMENT", "PERMISSION_DENIED", "UNAUTHENTICATED")),
        *((code, False) for code in ("RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "INTERNAL", "NOT_FOUND")),
    ],
)
def test_the_status_says_whether_to_try_again(grpc_receiver, exporter, code, retryable):
    """The retryable codes are those of the OTLP specification; the reason names code, words and receiver."""
    grpc_receiver.answers = [abort(grpc.StatusCode[code], "as it is")]
    outcome = exporter(grpc_receiver).export(body("a"), soon())
    assert outcome.verdict is (Verdict.RETRYABLE if retryable else Verdict.FAILED)
    assert outcome.reason == f"gRPC {code}: as it is (127.0.0.1:{grpc_receiver.port})"


def test_retry_info(grpc_receiver, exporter):
    """A receiver that is exhausted and says for how long is tried again after that time."""
    details = {"grpc_status_details_bin": retry_info(1.5)}
    grpc_receiver.answers = [abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", **details)]
    outcome = exporter(grpc_receiver).export(body("a"), soon())
    assert (outcome.verdict, outcome.retry_after_seconds) == (Verdict.RETRYABLE, 1.5)


@pytest.mark.parametrize(("pushback", "expected"), [("250", (Verdict.RETRYABLE, 0.25)), ("-1", (Verdict.FAILED, -1.0))])
def test_pushback(pushback, expected):
    """gRPC's own word for it counts too; a value that is no number forbids another attempt."""
    outcome = judge("UNAVAILABLE", "", [("grpc-retry-pushback-ms", pushback)])
    verdict, seconds = expected
    assert outcome.verdict is verdict
    assert outcome.retry_after_seconds == (seconds if verdict is Verdict.RETRYABLE else None)


@pytest.mark.parametrize("status", [b"", b"\xff", b"\x1a\x05abc", retry_info(2)[:-1]])
def test_broken_details_say_nothing(status):
    """Details that are no message are ignored."""
    assert judge("UNAVAILABLE", "", [("grpc-status-details-bin", status)]).retry_after_seconds is None


def test_too_large(grpc_receiver, exporter):
    """A request above the receiver's limit is to be halved."""
    outcome = exporter(grpc_receiver).export(body("a", size=5_000_000), soon())
    assert outcome.verdict is Verdict.TOO_LARGE


def test_deadline(grpc_receiver, exporter):
    """A silent receiver holds the exporter no longer than the deadline."""
    grpc_receiver.answers = [grpc_receiver.freeze]
    out = exporter(grpc_receiver)
    started = time.monotonic()
    outcome = out.export(body("a"), soon(0.3))
    assert outcome.verdict is Verdict.RETRYABLE
    assert "DEADLINE_EXCEEDED" in outcome.reason
    assert 0.25 < time.monotonic() - started < 1.5
    assert out.export(body("b"), soon()) == DELIVERED


def test_outage_and_recovery(grpc_receiver, exporter):
    """A receiver that is down is named, and the first attempt after it is up again delivers."""
    grpc_receiver.stop()
    out = exporter(grpc_receiver)
    for _ in range(3):
        outcome = out.export(body("a"), soon())
        assert outcome.verdict is Verdict.RETRYABLE
        assert f"127.0.0.1:{grpc_receiver.port}" in outcome.reason
    grpc_receiver.start()
    assert out.export(body("b"), soon()) == DELIVERED


def test_close_breaks_off(grpc_receiver, exporter):
    """Closing from another thread ends an attempt under way, and the exporter works again after it."""
    grpc_receiver.answers = [grpc_receiver.freeze]
    out = exporter(grpc_receiver)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(out.export(body("a"), soon(20))))
    thread.start()
    assert grpc_receiver.frozen.wait(5)
    out.close()
    thread.join(5)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.RETRYABLE]
    assert out.export(body("b"), soon()) == DELIVERED


@pytest.mark.parametrize(
    ("endpoint", "insecure", "expected"),
    [
        ("http://collector:4317", False, ("collector:4317", False)),
        ("https://collector:4317/v1/traces", True, ("collector:4317", True)),
        ("https://collector", False, ("collector:443", True)),
        ("http://[::1]:4317", False, ("[::1]:4317", False)),
        ("collector:4317", True, ("collector:4317", False)),
        ("collector:4317", False, ("collector:4317", True)),
    ],
)
def test_target(endpoint, insecure, expected):
    """The scheme says whether TLS is spoken; without one `insecure` does."""
    assert target_of(endpoint, insecure=insecure) == expected


PROGRAM = """
    from instrumentation import get_logger, instrument, span
    telemetry = instrument(service_name="svc")
    with span("work"):
        get_logger().info("said")
    print(telemetry.flush(15))
    print({name: account["delivered"] for name, account in telemetry.ledger().items()})
"""


def test_the_environment_chooses_grpc(grpc_receiver, run):
    """OTEL_EXPORTER_OTLP_PROTOCOL=grpc sends all signals by gRPC; the export calls make no spans."""
    code, out, err = run(PROGRAM, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.url)
    assert (code, err, "True" in out) == (0, "", True)
    assert grpc_receiver.names() == ["work"]
    assert {type(request).__name__ for _, request in grpc_receiver.requests} == {
        "ExportTraceServiceRequest",
        "ExportLogsServiceRequest",
        "ExportMetricsServiceRequest",
    }


def test_one_signal_by_grpc(grpc_receiver, otlp_sink, run):
    """A signal's own variables send it another way than the rest."""
    environment = {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"127.0.0.1:{grpc_receiver.port}",
        "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "true",
    }
    code, _, err = run(PROGRAM, **environment)
    assert (code, err) == (0, "")
    assert grpc_receiver.names() == ["work"]
    assert [record.body.string_value for record in otlp_sink.records("logs")] == ["said"]
    assert not otlp_sink.records("traces")


def test_without_grpcio(otlp_sink, run):
    """Without grpcio one line says what to install, and everything goes by HTTP."""
    hide = "import sys; sys.modules['grpc'] = None\n"
    code, _, err = run(hide + _dedented(PROGRAM), OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert code == 0
    assert err.count("\n") == 1, err
    (line,) = err.splitlines()
    assert 'pip install "clew[otlp-grpc]"' in line
    assert f"{otlp_sink.endpoint}/v1/traces" in line
    assert [span.name for span in otlp_sink.records("traces")] == ["work"]


def _dedented(code):
    import textwrap

    return textwrap.dedent(code)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_child(grpc_receiver, run):
    """A forked child sends by a channel of its own, and its parent's stays usable."""
    code = f"""
        import os, time
        from instrumentation.export.otlp_grpc import OtlpGrpcExporter
        from instrumentation.settings import Settings
        settings = Settings.from_env({{}}, protocol="grpc", endpoint={grpc_receiver.url!r})
        out = OtlpGrpcExporter("traces", settings.traces, "1")
        body = {body("x")!r}
        print(out.export(body, time.monotonic() + 5).verdict)
        pid = os.fork()
        verdict = out.export(body, time.monotonic() + 5)
        if pid == 0:
            print(verdict, flush=True)
            os._exit(0)
        print(verdict)
        print(os.waitpid(pid, 0)[1])
    """
    result = run(code)
    assert result[0] == 0, result
    assert grpc_receiver.names() == ["x"] * 3, result


def _counting_proxy(port, sent):
    """Forward one direction by hand and count its bytes."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def proxy():
        listener = socket.create_server(("127.0.0.1", 0))
        threads = []

        def pump(source, sink, count):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    count(len(data))
                    sink.sendall(data)
            for side in (source, sink):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    near = listener.accept()[0]
                    far = socket.create_connection(("127.0.0.1", port))
                    closing.extend((near, far))
                    for args in ((near, far, sent.append), (far, near, lambda _: None)):
                        threads.append(threading.Thread(target=pump, args=args, daemon=True))
                        threads[-1].start()

        closing = [listener]
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for each in closing[1:]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for each in closing:
            each.close()

    return proxy()
