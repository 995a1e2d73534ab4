"""Record a test run: a console beside pytest takes what the tests send, and each test is a span of it."""

import contextlib
import os
import shutil
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from clew_console.exchange.export import export_run
from clew_console.exchange.format import RunDecoder
from clew_console.options import Options
from clew_console.running import RunningConsole
from clew_console.testing import sending_environment

QUIET_SECONDS = 0.7
"""Without anything new the run is over: services send each half second."""
MAX_WAIT_SECONDS = 5.0
MAX_REPORT_CHARACTERS = 16_000
MAX_TESTS_A_REQUEST = 500
SERVICE = "pytest"

_OTHER_ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" for signal in ("TRACES", "LOGS", "METRICS"))


class Recorder:
    """A plugin for one test run.

    Raises:
        pytest.UsageError: the file cannot be written.
    """

    def __init__(self, file: str, config: pytest.Config) -> None:
        self._file = (config.invocation_params.dir / file).resolve()
        if not self._file.parent.is_dir():
            raise pytest.UsageError(f"--clew-record: there is no directory {self._file.parent}")
        self._data = Path(tempfile.mkdtemp(prefix="clew-record-"))
        name = f"{config.rootpath.name} {datetime.now().astimezone():%d %b %Y %H:%M:%S}"
        options = Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=self._data, run=name)
        self._console = RunningConsole(options)
        self._console.__enter__()
        self._tests: dict[str, list[pytest.TestReport]] = {}
        self._said = ""
        self._before = {one: os.environ.get(one) for one in (*_OTHER_ENDPOINTS, *self._environment())}
        for one in _OTHER_ENDPOINTS:
            os.environ.pop(one, None)
        os.environ.update(self._environment())

    def _environment(self) -> dict[str, str]:
        return sending_environment(self._console.addresses.otlp_http)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of set-up, call and tear-down."""
        self._tests.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the file once nothing more comes."""
        try:
            self._send_tests()
            self._settle()
            records = self._write()
            self._said = f"{records} records of this run in {self._file}; look: clew console import {self._file}"
        except OSError as error:
            self._said = f"the run could not be recorded in {self._file}: {error}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the file is."""
        if self._said:
            terminalreporter.write_line(f"clew: {self._said}")

    def pytest_unconfigure(self) -> None:
        """Stop the console, and give the environment back."""
        self._console.__exit__()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(self._data, ignore_errors=True)

    def _send_tests(self) -> None:
        spans = [_span(reports) for reports in self._tests.values()]
        for at in range(0, len(spans), MAX_TESTS_A_REQUEST):
            about = ResourceSpans(
                resource={"attributes": [_pair("service.name", SERVICE)]},
                scope_spans=[ScopeSpans(scope={"name": "clew_console"}, spans=spans[at : at + MAX_TESTS_A_REQUEST])],
            )
            body = ExportTraceServiceRequest(resource_spans=[about]).SerializeToString()
            url = f"{self._console.addresses.otlp_http}/v1/traces"
            request = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"})  # noqa: S310
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the console on loopback

    def _settle(self) -> None:
        """Wait until nothing has come for a while; what this process holds back is asked for."""
        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
            with contextlib.suppress(Exception):  # not every provider has it, and none may fail the tests
                provider.force_flush(2000)  # type: ignore[attr-defined]
        deadline, written, since = time.monotonic() + MAX_WAIT_SECONDS, -1, 0.0
        while time.monotonic() < deadline:
            now = self._console.written_rows
            if now != written:
                written, since = now, time.monotonic()
            elif time.monotonic() - since >= QUIET_SECONDS:
                return
            time.sleep(0.05)

    def _write(self) -> int:
        decoder, records = RunDecoder(), 0
        partial = self._file.with_name(f"{self._file.name}.part")
        with partial.open("wb") as file:
            for piece in export_run(self._console.run, self._console.directory):
                file.write(piece)
                records += sum(frame.records for frame in decoder.feed(piece))
        partial.replace(self._file)
        return records


def _span(reports: list[pytest.TestReport]) -> Span:
    """Return the span of a test, by the conventions for tests: an error where it failed, with what pytest says."""
    failed = next((one for one in reports if one.failed), None)
    is_skipped = failed is None and any(one.skipped for one in reports)
    nodeid = reports[0].nodeid
    span = Span(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        name=nodeid,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=round(min(one.start for one in reports) * 1e9),
        end_time_unix_nano=round(max(one.stop for one in reports) * 1e9),
        attributes=[
            _pair("test.suite.name", nodeid.partition("::")[0]),
            _pair("test.case.name", nodeid.partition("::")[2]),
            _pair("test.case.result.status", "fail" if failed else "skip" if is_skipped else "pass"),
        ],
    )
    if failed is not None:
        text = failed.longreprtext[-MAX_REPORT_CHARACTERS:]
        last = text.rstrip().rpartition("\n")[2]
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=f"{failed.when}: {last}"[:500]))
        event = span.events.add(name="exception", time_unix_nano=round(failed.stop * 1e9))
        event.attributes.append(_pair("exception.stacktrace", text))
    return span


def _pair(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value.encode("utf-8", "replace").decode()))
