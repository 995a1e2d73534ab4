"""A running console, telemetry to send, and a way to wait for it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from clew_console.options import Options
from clew_console.running import RunningConsole
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

PROTOBUF = {"content-type": "application/x-protobuf"}


class Client:
    """Send to a console and read from it."""

    def __init__(self, ui: str, otlp: str) -> None:
        self.ui, self.otlp = ui, otlp
        self.http = httpx.Client(timeout=10)

    def post(self, path: str, body: bytes | Message, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else body.SerializeToString()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(self.otlp + path, content=content, headers=PROTOBUF | named)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(self.ui + path, params=parameters)

    def wait(self, path: str, until: Callable[[httpx.Response], object], seconds: float = 5, **parameters: Any) -> Any:
        """Ask until the answer suits; return it."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(path, **parameters)
            if until(answer):
                return answer
            assert time.monotonic() < deadline, f"never came: {answer.status_code} {answer.text[:2000]}"
            time.sleep(0.01)

    def send_traces(self, request: ExportTraceServiceRequest) -> None:
        """Send spans and wait until the last of them can be read."""
        assert self.post("/v1/traces", request).status_code == 200
        last = request.resource_spans[-1].scope_spans[-1].spans[-1]
        self.wait(f"/api/traces/{last.trace_id.hex()}", lambda answer: answer.status_code == 200)

    def send_logs(self, request: ExportLogsServiceRequest) -> None:
        """Send log records of the last hour and wait until they can be read."""
        assert self.post("/v1/logs", request).status_code == 200
        body = request.resource_logs[-1].scope_logs[-1].log_records[-1].body.string_value.replace('"', '\\"')
        query = f'{{service_name=~".+"}} |= "{body}"'
        self.wait("/loki/api/v1/query_range", lambda answer: answer.json()["data"]["result"], query=query)


@pytest.fixture(scope="session")
def _running(tmp_path_factory) -> Iterator[RunningConsole]:
    options = Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=tmp_path_factory.mktemp("console"))
    with RunningConsole(options) as running:
        yield running


@pytest.fixture(scope="session")
def console(_running) -> Iterator[Client]:
    """A console that all tests share: use ids and names of your own."""
    client = Client(_running.addresses.ui, _running.addresses.otlp_http)
    yield client
    client.http.close()


@pytest.fixture(scope="session")
def grpc_address(_running) -> str:
    return _running.addresses.otlp_grpc.removeprefix("http://")


@pytest.fixture
def start(tmp_path) -> Callable[..., RunningConsole]:
    """Make a console of your own; use it as a context manager."""

    def make(data: Path = tmp_path / "data", **options: Any) -> RunningConsole:
        return RunningConsole(Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=data, **options))

    return make


@pytest.fixture(scope="session")
def client_of() -> Iterator[Callable[[RunningConsole], Client]]:
    clients = []

    def make(running: RunningConsole) -> Client:
        clients.append(Client(running.addresses.ui, running.addresses.otlp_http))
        return clients[-1]

    yield make
    for client in clients:
        client.http.close()


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value={"values": [_value(item) for item in value]})
    return AnyValue(string_value=value)


def _attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _span(trace_id: bytes | None = None, parent: bytes = b"", name: str = "work", **fields: Any) -> Span:
    start_ns = fields.pop("start_ns", time.time_ns() - 10**9)
    return Span(
        trace_id=trace_id or os.urandom(16),
        span_id=fields.pop("span_id", None) or os.urandom(8),
        parent_span_id=parent,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + fields.pop("duration_ns", 10**6),
        attributes=_attributes(fields.pop("attributes", {})),
        **fields,
    )


def _traces(*spans: Span, service: str = "shop", **resource: Any) -> ExportTraceServiceRequest:
    found = ResourceSpans(scope_spans=[{"scope": {"name": "test"}, "spans": spans}])
    found.resource.attributes.extend(_attributes({"service.name": service, **resource}))
    return ExportTraceServiceRequest(resource_spans=[found])


def _log(body: str, **fields: Any) -> LogRecord:
    return LogRecord(
        time_unix_nano=fields.pop("time_ns", time.time_ns()),
        severity_number=fields.pop("severity_number", 9),
        body=_value(body),
        attributes=_attributes(fields.pop("attributes", {})),
        **fields,
    )


def _logs(*records: LogRecord, service: str = "shop", **resource: Any) -> ExportLogsServiceRequest:
    found = ResourceLogs(scope_logs=[{"log_records": records}])
    found.resource.attributes.extend(_attributes({"service.name": service, **resource}))
    return ExportLogsServiceRequest(resource_logs=[found])


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Build OTLP messages: span, traces, log, logs."""
    return SimpleNamespace(span=_span, traces=_traces, log=_log, logs=_logs)
